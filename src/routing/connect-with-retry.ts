import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../lib/errors.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/**
 * Connects, and retries while the role has reached its connection limit because other processes, or somebody who knows its
 * password, hold all connections. A connection that this process releases meanwhile is used by the next attempt.
 * @param waitMs how long to retry, in milliseconds
 * @param signal ends the wait
 * @throws {AppError} SERVER_BUSY if no connection became available in time
 */
export async function connectWithRetry<T>(waitMs: number, connect: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const end = Date.now() + waitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await connect();
    } catch (error) {
      if (sqlStateOf(error) !== sqlState.tooManyConnections) throw error;
      if (Date.now() + pauseMs > end) throw noConnection(error);
    }
    // The jitter keeps waiting callers from retrying all at once.
    await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, signal && { signal });
  }
}

function noConnection(cause: unknown): AppError {
  const message = "All of this tenant's database connections are in use. Try again in a moment.";
  return new AppError('SERVER_BUSY', message, { cause, details: { retryAfterMs: 1000 } });
}
