import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { limitHeldMemory } from './held-memory.ts';

/** How long a client may take to send the headers of a request, and the whole request, in milliseconds. */
const timeouts = { headersTimeout: 20_000, requestTimeout: 60_000 } as const;

/** The address that this process listens at. Disposing of it drops every connection. */
export interface HttpListener extends AsyncDisposable {
  /** The address of the API. */
  readonly url: string;
  /** From now on requests are answered by this; until then they are told to come again. */
  open(listener: RequestListener): void;
  /** Takes nothing new, and waits until all requests are answered, or the limit is over, in seconds. */
  drain(limitSeconds: number): Promise<void>;
}

/** Takes the port. @throws {Error} what the system says, if it cannot be had */
export async function openHttpListener({ host, port }: Config['http'], log: Logger): Promise<HttpListener> {
  let listener: RequestListener = ({ url }, response) => answerTooEarly(url, response);
  const server = createServer(timeouts, (request, response) => listener(request, response));
  const endChecks = limitHeldMemory(server, log);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  const address = server.address();
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${name}:${typeof address === 'object' && address ? address.port : port}/graphql`,
    open: (next) => {
      listener = next;
    },
    drain: (limitSeconds) => drain(server, limitSeconds),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      endChecks();
      await closed;
    },
  };
}

/** The process answers, but it cannot do anything yet. */
function answerTooEarly(url: string | undefined, response: ServerResponse): void {
  if (url === '/health/live') {
    response.end();
    return;
  }
  const message = 'The server is starting. Try again in a moment.';
  const body =
    url === '/health/ready'
      ? { status: 'DOWN' }
      : { errors: [{ message, extensions: { code: 'SERVER_BUSY', retryAfterMs: 1000 } }] };
  response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '1' });
  response.end(JSON.stringify(body));
}

async function drain(server: Server, limitSeconds: number): Promise<void> {
  // What still comes on a connection that is kept alive is answered, and the connection closed.
  server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  // Not HTTP's close, which drops idle connections at once: on some of them requests have come that are not read yet.
  const closed = new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
  // Immediates run when all has been read that came while this process was busy.
  const sweep = setInterval(() => setImmediate(() => server.closeIdleConnections()), 100);
  const limit = setTimeout(() => server.closeAllConnections(), limitSeconds * 1000);
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
}
