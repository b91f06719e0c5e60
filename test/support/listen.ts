import { createServer, type RequestListener } from 'node:http';
import type { Answer } from './start-app.ts';

/** A real HTTP server on a free port of 127.0.0.1. */
export interface Listening extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly origin: string;
  readonly port: number;
  /** Sends a body as JSON to `/graphql`. */
  post(body: unknown, headers?: Record<string, string>): Promise<HttpAnswer>;
  /** Asks for a path, such as `/health/live`. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

/** A response to a GraphQL request. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Answer;
  /** The code of its first error. */
  readonly code: string | undefined;
}

/** Listens as `src/main.ts` does. */
export async function listen(listener: RequestListener): Promise<Listening> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    port,
    get: (path, headers = {}) => fetch(`${origin}${path}`, { headers }),
    async post(body, headers = {}) {
      const response = await fetch(`${origin}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return readAnswer(response);
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Reads a response that holds a GraphQL answer, or no body at all. */
export async function readAnswer(response: Response): Promise<HttpAnswer> {
  const text = await response.text();
  // The server answers GraphQL requests in this shape.
  const body = (text ? JSON.parse(text) : {}) as Answer;
  return { status: response.status, headers: response.headers, body, code: body.errors?.[0]?.extensions.code };
}
