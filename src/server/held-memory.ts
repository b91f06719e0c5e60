import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';

/** How many bytes the requests and responses of all clients together may hold. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;
/** What a request may hold in any case, in bytes. */
const FREE_BYTES = 16 * 1024;
const CHECK_MS = 250;

/** A request in progress, or a connection that speaks another protocol. */
interface Holder {
  readonly socket: Duplex;
  heldBytes(): number;
}

/** Checks the memory that clients hold. */
export interface HeldMemory {
  /** Counts what a connection that speaks another protocol has not sent yet. */
  watch(socket: Duplex): void;
  /** Ends the checks. */
  end(): void;
}

/**
 * Limits the memory that clients hold by sending their requests slowly, by waiting, or by not reading their responses.
 * Beyond the limit the oldest connections that hold more than a little are closed. Small requests are never affected.
 * @param streaming connections whose requests are not kept in memory
 */
export function limitHeldMemory(server: Server, log: Logger, streaming: WeakSet<Socket>): HeldMemory {
  // A Set keeps the order of insertion, so the oldest come first.
  const holders = new Set<Holder>();
  const read = new WeakMap<Socket, number>();
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const start = read.get(socket) ?? 0;
    const heldBytes = () => (streaming.has(socket) ? 0 : socket.bytesRead - start) + response.writableLength;
    const holder = { socket, heldBytes };
    holders.add(holder);
    response.once('close', () => {
      holders.delete(holder);
      read.set(socket, socket.bytesRead);
    });
  });
  const timer = setInterval(() => closeOldest(holders, log), CHECK_MS).unref();
  return {
    watch(socket) {
      const holder = { socket, heldBytes: () => socket.writableLength };
      holders.add(holder);
      socket.once('close', () => holders.delete(holder));
    },
    end: () => clearInterval(timer),
  };
}

function closeOldest(holders: Iterable<Holder>, log: Logger): void {
  const large = [...holders]
    .map((holder) => ({ socket: holder.socket, bytes: holder.heldBytes() }))
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
