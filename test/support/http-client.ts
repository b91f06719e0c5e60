import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { readServerSentEvents } from './server-sent-events.ts';
import type { Answer } from './start-app.ts';

/** A way to ask a server, as another process would. */
export interface HttpClient {
  readonly port: number;
  /** The address of the API. */
  readonly url: string;
  /** Asks `/graphql`; the caller knows what the query asks for. */
  ask<Data>(query: string, headers?: Record<string, string>): Promise<Answer<Data>>;
  /** Subscribes, and gives each answer as it arrives, until the server says that it is complete or the signal is aborted. */
  subscribe<Data>(
    query: string,
    headers?: Record<string, string>,
    signal?: AbortSignal,
  ): AsyncGenerator<Answer<Data>, 'complete' | 'cut off', undefined>;
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

/** Talks to the server at a port of 127.0.0.1, except for subscriptions each time on a connection of its own. */
export function clientOf(port: number): HttpClient {
  const url = `http://127.0.0.1:${port}/graphql`;
  const send = (request: HttpRequest) => sendTo(port, request);
  const post: HttpClient['post'] = (body, headers = {}) =>
    send({ method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
  return {
    port,
    url,
    // As the interface says.
    ask: async <Data>(query: string, headers = {}) => (await post({ query }, headers)).body as Answer<Data>,
    subscribe: (query, headers = {}, signal) => subscribeTo(url, query, headers, signal),
    post,
    get: (path, headers = {}) => send({ method: 'GET', path, headers }),
    send,
  };
}

async function* subscribeTo<Data>(url: string, query: string, headers: Record<string, string>, signal?: AbortSignal) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query }),
    ...(signal && { signal }),
  });
  for await (const { event, data } of readServerSentEvents(response)) {
    if (event === 'complete') return 'complete';
    // A GraphQL server answers in this shape; the caller knows what the query asks for.
    if (event === 'next') yield JSON.parse(data) as Answer<Data>;
  }
  return 'cut off';
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
