import { createServer, request as httpRequest, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { refuseMalformedRequests } from '../../src/graphql/malformed-requests.ts';
import type { Answer } from './start-app.ts';

/** A real HTTP server on a free port of 127.0.0.1. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
  /** The address of the API. */
  readonly url: string;
  /** Sends a body as JSON to `/graphql`. */
  post(body: unknown, headers?: Record<string, string>): Promise<HttpAnswer>;
  /** Asks for a path, such as `/health/live`. */
  get(path: string, headers?: Record<string, string>): Promise<HttpAnswer>;
  send(request: HttpRequest): Promise<HttpAnswer>;
}

/** A request; unlike with `fetch`, any header can be set, and the way in which the body is sent. */
export interface HttpRequest {
  readonly method: string;
  /** By default `/graphql`. */
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Sends the body in pieces, without telling its length first. */
  readonly chunked?: boolean;
}

/** A response, read to its end. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What JSON holds, as the server answers GraphQL requests; empty for other responses. */
  readonly body: Answer;
  /** The code of its first error. */
  readonly code: string | undefined;
}

/** Listens as `src/main.ts` does. */
export async function listen(listener: RequestListener): Promise<Listening> {
  const server = createServer(refuseMalformedRequests(listener));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    ...clientOf(port),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Talks to the server at a port of 127.0.0.1, each time on a connection of its own. */
export function clientOf(port: number): Omit<Listening, keyof AsyncDisposable> {
  const send = (request: HttpRequest) => sendTo(port, request);
  return {
    port,
    url: `http://127.0.0.1:${port}/graphql`,
    send,
    get: (path, headers = {}) => send({ method: 'GET', path, headers }),
    post: (body, headers = {}) =>
      send({ method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }),
  };
}

function sendTo(port: number, { method, path = '/graphql', headers = {}, body, chunked }: HttpRequest) {
  return new Promise<HttpAnswer>((resolve, reject) => {
    const length = body === undefined || chunked ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = { host: '127.0.0.1', port, path, method, agent: false, headers: { ...length, ...headers } };
    const sent = httpRequest(options, (response) => {
      text(response).then((all) => resolve(answerOf(response.statusCode ?? 0, response.headers, all)), reject);
    });
    sent.on('error', reject);
    for (let start = 0; body && start < body.length; start += 1000) sent.write(body.slice(start, start + 1000));
    sent.end();
  });
}

function answerOf(status: number, headers: IncomingHttpHeaders, all: string): HttpAnswer {
  // The server answers GraphQL requests in this shape.
  const body = (all && headers['content-type']?.includes('json') ? JSON.parse(all) : {}) as Answer;
  return { status, headers, text: all, body, code: body.errors?.[0]?.extensions?.code };
}
