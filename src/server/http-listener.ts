import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { limitHeldMemory } from './held-memory.ts';
import { limitRequestTime } from './request-time.ts';

/**
 * How long a client may take to send the headers of a request, in milliseconds. Node's limit for whole requests is off,
 * because it has no exceptions; see `request-time.ts`.
 */
const timeouts = { headersTimeout: 20_000, requestTimeout: 0 } as const;
/** How long a client may take to send a whole request, in milliseconds. */
const REQUEST_MS = 60_000;

/** The HTTP server of this process. Disposing of it drops every connection. */
export interface HttpListener extends AsyncDisposable {
  /** The URL of the API. */
  readonly url: string;
  /** Passes requests to `listener`. Until then they get SERVER_BUSY. */
  open(listener: RequestListener): void;
  /** Passes requests for WebSockets to `handler`. Until then their connections are closed. */
  openUpgrades(handler: UpgradeHandler): void;
  /** Accepts no new requests and waits until all are answered, for `limitSeconds` at most. */
  drain(limitSeconds: number): Promise<void>;
}

/** Handles a request for another protocol on its connection. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Starts to listen.
 * @param streaming connections on which bodies are transferred under limits of their own
 * @throws {Error} Node's error if the port cannot be opened
 */
export async function openHttpListener(
  { host, port }: Pick<Config['http'], 'host' | 'port'>,
  log: Logger,
  streaming = new WeakSet<Socket>(),
): Promise<HttpListener> {
  let listener: RequestListener = ({ url }, response) => answerTooEarly(url, response);
  // Requests that offer other protocols, such as h2c by curl, are answered as if they offered none.
  const options = { ...timeouts, shouldUpgradeCallback: isForWebSocket };
  const server = createServer(options, (request, response) => listener(request, response));
  const heldMemory = limitHeldMemory(server, log, streaming);
  const endTimeouts = limitRequestTime(server, REQUEST_MS, streaming);
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
    openUpgrades(handler) {
      server.on('upgrade', (request, socket, head) => {
        heldMemory.watch(socket);
        handler(request, socket, head);
      });
    },
    drain: (limitSeconds) => drain(server, limitSeconds),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      heldMemory.end();
      endTimeouts();
      await closed;
    },
  };
}

function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** Answers requests while the server starts. */
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
  // Requests that still arrive on a keep-alive connection are answered, and then the connection is closed.
  server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  // Not http.Server.close, which drops idle connections at once, though some have requests that were not read yet.
  const closed = new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
  // Immediates run after everything was read that arrived while this process was busy.
  const sweep = setInterval(() => setImmediate(() => server.closeIdleConnections()), 100);
  const limit = setTimeout(() => server.closeAllConnections(), limitSeconds * 1000);
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
}
