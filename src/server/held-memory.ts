import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';

/** How many bytes the requests and responses of all clients together may hold. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;
/** What a request may hold in any case, in bytes. */
const FREE_BYTES = 16 * 1024;
const CHECK_MS = 250;

interface Exchange {
  readonly socket: Socket;
  readonly response: ServerResponse;
  /** `bytesRead` of the socket before this request. */
  readonly start: number;
}

/**
 * Limits the memory that clients hold by sending their requests slowly, by waiting, or by not reading their responses.
 * Beyond the limit the oldest connections that hold more than a little are closed. Small requests are never affected.
 * @param streaming connections whose requests are not kept in memory
 * @returns a function that ends the checks
 */
export function limitHeldMemory(server: Server, log: Logger, streaming: WeakSet<Socket>): () => void {
  // A Set keeps the order of insertion, so the oldest come first.
  const exchanges = new Set<Exchange>();
  const read = new WeakMap<Socket, number>();
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const exchange = { socket, response, start: read.get(socket) ?? 0 };
    exchanges.add(exchange);
    response.once('close', () => {
      exchanges.delete(exchange);
      read.set(socket, socket.bytesRead);
    });
  });
  const timer = setInterval(() => closeOldest(exchanges, log, streaming), CHECK_MS).unref();
  return () => clearInterval(timer);
}

function closeOldest(exchanges: Iterable<Exchange>, log: Logger, streaming: WeakSet<Socket>): void {
  const large = [...exchanges]
    .map((exchange) => ({ socket: exchange.socket, bytes: heldBytes(exchange, streaming) }))
    .filter(({ bytes }) => bytes > FREE_BYTES);
  let sum = large.reduce((total, { bytes }) => total + bytes, 0);
  let closed = 0;
  for (const { socket, bytes } of large) {
    if (sum <= MAX_HELD_BYTES) break;
    socket.destroy();
    sum -= bytes;
    closed += 1;
  }
  if (closed > 0) {
    const limit = `${MAX_HELD_BYTES / 1024 / 1024} MB`;
    log.warn({ closed }, `closed connections because requests and responses under way held more than ${limit}`);
  }
}

function heldBytes({ socket, response, start }: Exchange, streaming: WeakSet<Socket>): number {
  const read = streaming.has(socket) ? 0 : socket.bytesRead - start;
  return read + response.writableLength;
}
