import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { networkOf } from '../lib/client-network.ts';
import { AppError } from '../lib/errors.ts';

const WINDOW_SECONDS = 15 * 60;
const SWEEP_MS = 5 * 60_000;

/** How many attempts may fail in a quarter of an hour. */
export interface SignInLimitsOptions {
  readonly catalog: Catalog;
  /** To one account from one address, or from one device that is known. */
  readonly perAccount: number;
  /** To one account, from all addresses. */
  readonly perAccountTotal: number;
  readonly perAddress: number;
  readonly log: Logger;
}

/** Who tries to sign in. */
export interface SignInAttempt {
  /** The email address that was given; undefined where an account is made. */
  readonly account: string | undefined;
  /** Where the attempt comes from; undefined if that is not known. */
  readonly address: string | undefined;
  /** The device or session that is known to have signed in to this account before; undefined if none is. */
  readonly known?: string | undefined;
}

/** One of the counts that an attempt goes into. */
interface Counter {
  readonly limiter: RateLimiterPostgres;
  readonly key: string;
  /** What becomes of it when an attempt succeeds. */
  readonly afterSuccess: 'reset' | 'give back' | 'keep';
}

/**
 * Limits attempts to sign in, by address, by account and address, and by account. The limit
 * of an account alone is wide, so that few can lock others out; and a device that is known has a count of its own, which
 * nobody else can use up. The counts are rows of `auth`, so that all servers share them. An attempt counts before it is made,
 * so that many at once do not slip through. One that succeeds is given back, unless it has made an account, and so is one that
 * was not made.
 */
export class SignInLimits implements Disposable {
  readonly #devices: RateLimiterPostgres;
  readonly #accounts: RateLimiterPostgres;
  readonly #accountsAtAddresses: RateLimiterPostgres;
  readonly #addresses: RateLimiterPostgres;
  readonly #sweep: NodeJS.Timeout;
  readonly #log: Logger;

  constructor({ catalog, perAccount, perAccountTotal, perAddress, log }: SignInLimitsOptions) {
    const limiter = (keyPrefix: string, points: number) =>
      new RateLimiterPostgres({
        // Without the names of statements, for a pooling proxy would not know the prepared ones.
        storeClient: {
          query: ({ text, values }: { text: string; values: unknown[] }) =>
            catalog.use((client) => client.query(text, values)),
        },
        storeType: 'client',
        tableName: 'login_attempts',
        tableCreated: true,
        clearExpiredByTimeout: false,
        keyPrefix,
        points,
        duration: WINDOW_SECONDS,
      });
    this.#log = log;
    this.#devices = limiter('device', perAccount);
    this.#accounts = limiter('account', perAccountTotal);
    this.#accountsAtAddresses = limiter('pair', perAccount);
    this.#addresses = limiter('address', perAddress);
    const sweep = () =>
      catalog.use((client) => client.query('DELETE FROM login_attempts WHERE expire < $1', [Date.now()]));
    this.#sweep = setInterval(() => {
      sweep().catch((err: unknown) => log.warn({ err }, 'cannot clear away old attempts to sign in'));
    }, SWEEP_MS).unref();
  }

  /**
   * Lets somebody try.
   * @throws {AppError} RATE_LIMITED, without having let them try; and what `work` throws
   */
  async attempt<T>(attempt: SignInAttempt, work: () => Promise<T>): Promise<T> {
    const counters = this.#countersOf(attempt);
    await this.#consumeAll(counters);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      if (error instanceof AppError && error.code === 'SERVER_BUSY') await this.#refund(counters);
      throw error;
    }
    await this.#refund(counters.filter(({ afterSuccess }) => afterSuccess === 'give back'));
    const reset = counters.filter(({ afterSuccess }) => afterSuccess === 'reset');
    await this.#quietly(() => Promise.all(reset.map(({ limiter, key }) => limiter.delete(key))));
    return result;
  }

  /** The narrow ones first, so that an attempt which they refuse uses up none of the wide one. */
  #countersOf({ account, address, known }: SignInAttempt): readonly Counter[] {
    if (account !== undefined && known !== undefined) {
      return [{ limiter: this.#devices, key: keyOf(`${keyOf(account)} ${known}`), afterSuccess: 'reset' }];
    }
    const network = address && networkOf(address);
    const counters: Counter[] = [];
    if (network !== undefined) {
      const afterSuccess = account === undefined ? 'keep' : 'give back';
      counters.push({ limiter: this.#addresses, key: network, afterSuccess });
    }
    if (account !== undefined) {
      const key = keyOf(account);
      const pair = keyOf(`${key} ${network ?? ''}`);
      counters.push({ limiter: this.#accountsAtAddresses, key: pair, afterSuccess: 'reset' });
      // Not reset: else whoever signs in often gives an attacker new attempts.
      counters.push({ limiter: this.#accounts, key, afterSuccess: 'give back' });
    }
    return counters;
  }

  async #consumeAll(counters: readonly Counter[]): Promise<void> {
    for (const [index, { limiter, key }] of counters.entries()) {
      try {
        await consume(limiter, key, 'Too many attempts to sign in have failed');
      } catch (error) {
        await this.#refund(counters.slice(0, index));
        throw error;
      }
    }
  }

  async #refund(counters: readonly Counter[]): Promise<void> {
    await this.#quietly(() => Promise.all(counters.map(({ limiter, key }) => limiter.reward(key))));
  }

  /** Never fails: what came of an attempt is told, also when it goes on to count since the catalog has gone. */
  async #quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (err) {
      this.#log.warn({ err }, 'an attempt to sign in could not be given back');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
  }
}

async function consume(limiter: RateLimiterPostgres, key: string, why: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    const minutes = Math.ceil(refusal.msBeforeNext / 60_000);
    throw new AppError('RATE_LIMITED', `${why}. Try again in ${minutes} minutes.`, {
      details: { retryAfterMs: refusal.msBeforeNext },
    });
  }
}

/** Of any length that a client may send, one that fits the table. */
function keyOf(text: string): string {
  return createHash('sha256').update(normalAccount(text)).digest('hex');
}

/** An email address as it is counted, whatever its letters' case. */
export function normalAccount(email: string): string {
  return email.trim().toLowerCase();
}
