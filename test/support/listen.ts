import { createServer, type RequestListener } from 'node:http';
import { refuseMalformedRequests } from '../../src/api/malformed-requests.ts';
import { clientOf, type HttpClient } from './http-client.ts';

/** A real HTTP server on a free port of 127.0.0.1, and a way to ask it. */
export interface Listening extends HttpClient, AsyncDisposable {}

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
