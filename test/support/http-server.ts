import { createServer } from 'node:http';
import { buildSchema } from '../../src/graphql/schema.ts';
import { createGraphqlServer } from '../../src/graphql/server.ts';
import type { Services } from '../../src/services.ts';
import { readServerSentEvents } from './server-sent-events.ts';

/** What a GraphQL server answers, or one event of a subscription. */
export interface Result<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code?: string } }[];
}

/** An installation that can be reached over HTTP, as from another process. */
export interface HttpServer extends AsyncDisposable {
  readonly url: string;
}

/** Serves as `src/main.ts` does, on a free port of this machine. */
export async function serveOverHttp(services: Services): Promise<HttpServer> {
  const server = createServer(createGraphqlServer(services, buildSchema()));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('The server has no port');
  return {
    url: `http://127.0.0.1:${address.port}/graphql`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Asks a server and gives what it answers. */
export async function post<Data>(url: string, headers: Record<string, string>, query: string): Promise<Result<Data>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });
  // A GraphQL server answers in this shape; the caller knows what its query asks for.
  return (await response.json()) as Result<Data>;
}

/** Subscribes, and gives each result as it arrives, until the server says that it is complete or the signal is aborted. */
export async function* subscribe<Data>(
  url: string,
  headers: Record<string, string>,
  query: string,
  signal?: AbortSignal,
): AsyncGenerator<Result<Data>, 'complete' | 'cut off', undefined> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query }),
    ...(signal && { signal }),
  });
  for await (const { event, data } of readServerSentEvents(response)) {
    if (event === 'complete') return 'complete';
    // As above.
    if (event === 'next') yield JSON.parse(data) as Result<Data>;
  }
  return 'cut off';
}
