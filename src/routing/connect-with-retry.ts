import { AppError } from '../lib/errors.ts';
import { retryWhileFull } from '../postgres/pool/retry-while-full.ts';

/**
 * Connects, and retries while the role has reached its connection limit because other processes, or somebody who knows its
 * password, hold all connections.
 * @param waitMs how long to retry, in milliseconds
 * @param signal ends the wait
 * @throws {AppError} SERVER_BUSY if no connection became available in time
 */
export function connectWithRetry<T>(waitMs: number, connect: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  return retryWhileFull(connect, { waitMs, signal, late: noConnection });
}

function noConnection(cause: unknown): AppError {
  const message = "All of this tenant's database connections are in use. Try again in a moment.";
  return new AppError('SERVER_BUSY', message, { cause, details: { retryAfterMs: 1000 } });
}
