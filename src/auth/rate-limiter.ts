import { createHash } from 'node:crypto';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../lib/errors.ts';

/**
 * Creates a counter of attempts by key. The counts are rows of `auth`, so all servers share them. An attempt counts before it
 * is made, so that concurrent attempts cannot exceed the limit.
 * @param keyPrefix the name of the counter in the table
 * @param points the number of attempts allowed for one key
 * @param seconds the period in which they are counted
 */
export function createRateLimiter(
  catalog: Catalog,
  keyPrefix: string,
  points: number,
  seconds: number,
): RateLimiterPostgres {
  return new RateLimiterPostgres({
    // Statements are not named: named prepared statements fail behind a transaction-pooling proxy.
    storeClient: {
      query: ({ text, values }: { text: string; values: unknown[] }) =>
        catalog.use((client) => client.query(text, values)),
    },
    storeType: 'client',
    tableName: 'login_attempts',
    tableCreated: true,
    // SignInLimits deletes the expired rows of all counters.
    clearExpiredByTimeout: false,
    keyPrefix,
    points,
    duration: seconds,
  });
}

/**
 * Counts an attempt.
 * @param refusal the beginning of the message if there were too many, as a sentence without its full stop
 * @throws {AppError} RATE_LIMITED
 */
export async function countAttempt(limiter: RateLimiterPostgres, key: string, refusal: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (result) {
    if (!(result instanceof RateLimiterRes)) throw result;
    const minutes = Math.ceil(result.msBeforeNext / 60_000);
    throw new AppError('RATE_LIMITED', `${refusal}. Try again in ${minutes} minutes.`, {
      details: { retryAfterMs: result.msBeforeNext },
    });
  }
}

/** Hashes a counter's key, because a client can send a longer string than the column can hold. */
export function hashKey(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
