import { AppError } from '../lib/errors.ts';
import { retryWhileFull } from '../postgres/pool/retry-while-full.ts';
import { isPoolerFailure, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

/**
 * Connects, and retries while the role has reached its connection limit because other processes, or somebody who knows its
 * password, hold all connections. It also retries while a pooler refuses the connection, as PgBouncer does for a while after a
 * login to PostgreSQL has failed.
 * @param waitMs how long to retry, in milliseconds
 * @param signal ends the wait
 * @throws {AppError} SERVER_BUSY if no connection became available in time
 */
export function connectWithRetry<T>(waitMs: number, connect: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const late = (cause: unknown) => (isPoolerFailure(cause) ? poolerBusy(cause) : noConnection(cause));
  return retryWhileFull(connect, { waitMs, signal, late, isFull });
}

function isFull(error: unknown): boolean {
  // What is explained already may have a pooler's refusal as its cause.
  if (!(error instanceof AppError) && isPoolerFailure(error)) return true;
  return sqlStateOf(error) === sqlState.tooManyConnections;
}

/** The error for callers to whom a pooler gives no session now. */
export function poolerBusy(cause: unknown): AppError {
  const message = "The connection pooler refuses this tenant's connections. Try again in a moment.";
  return new AppError('SERVER_BUSY', message, { cause, details: { retryAfterMs: 1000 } });
}

function noConnection(cause: unknown): AppError {
  const message = "All of this tenant's database connections are in use. Try again in a moment.";
  return new AppError('SERVER_BUSY', message, { cause, details: { retryAfterMs: 1000 } });
}
