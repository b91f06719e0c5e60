import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { mayReadMetrics } from '../monitoring/access.ts';

/** More than the scrapers of an installation need. */
const MAX_CONNECTIONS = 20;
/** How long a client may take to send its request, in milliseconds. */
const REQUEST_MS = 10_000;

/** The metrics, and where they are served. */
export interface MetricsListenerOptions {
  readonly contentType: string;
  /** Returns them. */
  text(): Promise<string>;
  readonly port: number;
  readonly host: string;
  readonly token: string | undefined;
}

/**
 * Serves the metrics at a port of its own. Disposing of it closes the port.
 * @throws {Error} with what to do if the port cannot be opened
 */
export async function openMetricsListener(
  { text, contentType, port, host, token }: MetricsListenerOptions,
  log: Logger,
): Promise<AsyncDisposable> {
  const answer = async ({ method, url, headers }: IncomingMessage, response: ServerResponse) => {
    if (url?.split('?', 1)[0] !== '/metrics') return void response.writeHead(404).end();
    if (method !== 'GET') return void response.writeHead(405, { allow: 'GET' }).end();
    if (!mayReadMetrics(headers.authorization, token)) {
      return void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    }
    response.writeHead(200, { 'content-type': contentType }).end(await text());
  };
  const limits = { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: REQUEST_MS };
  const server = createServer(limits, (request, response) => {
    answer(request, response).catch((err: unknown) => {
      log.error({ err }, 'cannot answer a request for metrics');
      response.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  }).catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${cause.code ?? cause.message})`;
    throw new Error(
      `The port ${port} for metrics ${reason}. Set METRICS_PORT to another one; each program on a machine needs its own.`,
      { cause },
    );
  });
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
