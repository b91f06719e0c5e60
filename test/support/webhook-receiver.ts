import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';

/** A request that a receiver got. */
export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The body of a webhook's request. */
export interface ReceivedEvent {
  readonly type: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** An HTTP server that webhooks send events to. It can go down and come back at the same port. */
export class WebhookReceiver implements AsyncDisposable {
  readonly requests: ReceivedRequest[] = [];
  /** Answers a request, after it was stored in `requests`. By default with the status 204. */
  answer: (response: ServerResponse, request: ReceivedRequest) => void = (response) => response.writeHead(204).end();
  #server: Server | undefined;
  #port = 0;

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await receiver.comeBack();
    return receiver;
  }

  /** Its address, by another name of this machine if there is one. */
  url(path = '/', host = '127.0.0.1'): string {
    return `http://${host}:${this.#port}${path}`;
  }

  async comeBack(): Promise<void> {
    const server = createServer(async (incoming, response) => {
      const request = { path: incoming.url ?? '', headers: incoming.headers, body: await text(incoming) };
      this.requests.push(request);
      this.answer(response, request);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    const address = server.address();
    this.#port = typeof address === 'object' && address ? address.port : 0;
  }

  async goDown(): Promise<void> {
    const server = this.#server;
    const closed = new Promise((resolve) => server?.close(resolve));
    server?.closeAllConnections();
    await closed;
  }

  /** The types of the events that it got at a path, with the slug of the tenant, in order. */
  got(path: string): string[] {
    return this.requests
      .filter((request) => request.path === path)
      .map(({ body }) => {
        const { type, data } = eventIn(body);
        return `${type} ${data.tenant?.slug ?? data.run?.status}`;
      });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.goDown();
  }
}

/** Verifies a request as the page for receivers shows, and returns its event. */
export function verified(secret: string, { headers, body }: ReceivedRequest): ReceivedEvent {
  const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  // The library returns what JSON.parse does; the tests compare it with the schema of the event.
  return new Webhook(secret).verify(body, texts) as ReceivedEvent;
}

/** The event in a body, whose signature is not verified. */
export function eventIn(body: string): ReceivedEvent {
  return JSON.parse(body);
}
