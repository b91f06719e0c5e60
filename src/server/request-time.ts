import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const CHECK_MS = 1_000;

interface Arriving {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** When its headers had arrived, on the clock of `performance`. */
  readonly since: number;
}

/**
 * Closes the connections of clients that take too long to send a request.
 * @param limitMs how long the body may take, in milliseconds
 * @param streaming connections to which other limits apply
 * @returns a function that ends the checks
 */
export function limitRequestTime(server: Server, limitMs: number, streaming: WeakSet<Socket>): () => void {
  const arriving = new Set<Arriving>();
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const entry = { request, response, since: performance.now() };
    arriving.add(entry);
    request.once('close', () => arriving.delete(entry));
  });
  const check = () => {
    const latest = performance.now() - limitMs;
    for (const { request, response, since } of arriving) {
      // A Set keeps the order of insertion, so the others are newer.
      if (since > latest) break;
      if (!request.complete && !streaming.has(request.socket)) close(request, response);
    }
  };
  const timer = setInterval(check, CHECK_MS).unref();
  return () => clearInterval(timer);
}

function close({ socket }: IncomingMessage, response: ServerResponse): void {
  // Not through the response, which belongs to whoever is waiting for the rest of the request.
  if (!response.headersSent) socket.write('HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n');
  socket.destroySoon();
}
