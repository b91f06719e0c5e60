import { setTimeout as sleep } from 'node:timers/promises';
import { sqlState, sqlStateOf } from '../sql/error-codes.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/** How long to retry, and what to throw then. */
export interface RetryWhileFull {
  /** In milliseconds. */
  readonly waitMs: number;
  /** Creates the error for a caller that has waited in vain. */
  readonly late: (cause: unknown) => Error;
  /** Whether a failure may pass soon. By default that PostgreSQL has no connection left. */
  readonly isFull?: (error: unknown) => boolean;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects, and retries while PostgreSQL has no connection left: other processes or programs hold them all, or all that the role
 * or the database may have. A connection that this process releases meanwhile is used by the next attempt.
 */
export async function retryWhileFull<T>(
  connect: () => Promise<T>,
  { waitMs, late, signal, isFull = hasNoConnectionLeft }: RetryWhileFull,
): Promise<T> {
  const end = Date.now() + waitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await connect();
    } catch (error) {
      if (!isFull(error)) throw error;
      if (Date.now() + pauseMs > end) throw late(error);
    }
    // The jitter keeps waiting callers from retrying all at once.
    await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, signal && { signal });
  }
}

function hasNoConnectionLeft(error: unknown): boolean {
  return sqlStateOf(error) === sqlState.tooManyConnections;
}
