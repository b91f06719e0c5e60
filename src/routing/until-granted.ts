import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../lib/errors.ts';
import { sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/**
 * Connects, and tries again while PostgreSQL grants the role no more connections: other processes, or somebody who knows its
 * password, have them all. One of this process that comes free meanwhile is taken by the next try.
 * @param waitMs how long to try, in milliseconds
 * @param signal ends the wait
 * @throws {AppError} SERVER_BUSY when none was granted in time
 */
export async function untilGranted<T>(waitMs: number, connect: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const end = Date.now() + waitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await connect();
    } catch (error) {
      if (sqlStateOf(error) !== sqlState.tooManyConnections) throw error;
      if (Date.now() + pauseMs > end) throw noneGranted(error);
    }
    // Those who wait do not all try at once.
    await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, signal && { signal });
  }
}

function noneGranted(cause: unknown): AppError {
  const message = 'All connections that PostgreSQL grants to this tenant are in use. Try again in a moment.';
  return new AppError('SERVER_BUSY', message, { cause, details: { retryAfterMs: 1000 } });
}
