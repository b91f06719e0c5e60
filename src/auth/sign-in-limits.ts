import type { Logger } from 'pino';
import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { networkOf } from '../lib/client-network.ts';
import { AppError } from '../lib/errors.ts';
import { countAttempt, createRateLimiter, hashKey } from './rate-limiter.ts';

const WINDOW_SECONDS = 15 * 60;
const SWEEP_MS = 5 * 60_000;

/** How many attempts may fail within 15 minutes. */
export interface SignInLimitsOptions {
  readonly catalog: Catalog;
  /** For one account from one address, or from one known device. */
  readonly perAccount: number;
  /** For one account, from all addresses together. */
  readonly perAccountTotal: number;
  readonly perAddress: number;
  readonly log: Logger;
}

/** An attempt to sign in. */
export interface SignInAttempt {
  /** The email address that was entered; undefined when an account is created. */
  readonly account: string | undefined;
  /** The client's address; undefined if unknown. */
  readonly address: string | undefined;
  /** A device or session that has signed in to this account before; undefined if there is none. */
  readonly known?: string | undefined;
}

/** A counter that an attempt is counted in. */
interface Counter {
  readonly limiter: RateLimiterPostgres;
  readonly key: string;
  /** What happens to the counter when the attempt succeeds. */
  readonly afterSuccess: 'reset' | 'refund' | 'keep';
}

/**
 * Limits sign-in attempts by address, by account and address, and by account. The limit per account is high, so that
 * attackers cannot easily lock others out; a known device has its own counter, which nobody else can use up. An attempt is
 * refunded if it succeeds, unless it created an account, or if it could not be carried out; see {@link createRateLimiter}.
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
      createRateLimiter(catalog, keyPrefix, points, WINDOW_SECONDS);
    this.#log = log;
    this.#devices = limiter('device', perAccount);
    this.#accounts = limiter('account', perAccountTotal);
    this.#accountsAtAddresses = limiter('pair', perAccount);
    this.#addresses = limiter('address', perAddress);
    const sweep = () =>
      catalog.use((client) => client.query('DELETE FROM login_attempts WHERE expire < $1', [Date.now()]));
    this.#sweep = setInterval(() => {
      sweep().catch((err: unknown) => log.warn({ err }, 'cannot delete old sign-in attempts'));
    }, SWEEP_MS).unref();
  }

  /**
   * Makes an attempt.
   * @throws {AppError} RATE_LIMITED, without making it; and what `work` throws
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
    await this.#refund(counters.filter(({ afterSuccess }) => afterSuccess === 'refund'));
    const reset = counters.filter(({ afterSuccess }) => afterSuccess === 'reset');
    await this.#quietly(() => Promise.all(reset.map(({ limiter, key }) => limiter.delete(key))));
    return result;
  }

  /** The narrow counters come first, so that an attempt that they refuse does not count towards the wide ones. */
  #countersOf({ account, address, known }: SignInAttempt): readonly Counter[] {
    if (account !== undefined && known !== undefined) {
      return [{ limiter: this.#devices, key: keyOf(`${keyOf(account)} ${known}`), afterSuccess: 'reset' }];
    }
    const network = address && networkOf(address);
    const counters: Counter[] = [];
    if (network !== undefined) {
      const afterSuccess = account === undefined ? 'keep' : 'refund';
      counters.push({ limiter: this.#addresses, key: network, afterSuccess });
    }
    if (account !== undefined) {
      const key = keyOf(account);
      const pair = keyOf(`${key} ${network ?? ''}`);
      counters.push({ limiter: this.#accountsAtAddresses, key: pair, afterSuccess: 'reset' });
      // Not reset: otherwise an attacker would get new attempts whenever the owner signs in.
      counters.push({ limiter: this.#accounts, key, afterSuccess: 'refund' });
    }
    return counters;
  }

  async #consumeAll(counters: readonly Counter[]): Promise<void> {
    for (const [index, { limiter, key }] of counters.entries()) {
      try {
        await countAttempt(limiter, key, 'Too many sign-in attempts have failed');
      } catch (error) {
        await this.#refund(counters.slice(0, index));
        throw error;
      }
    }
  }

  async #refund(counters: readonly Counter[]): Promise<void> {
    await this.#quietly(() => Promise.all(counters.map(({ limiter, key }) => limiter.reward(key))));
  }

  /** Never rejects, so that the result of an attempt is returned even if the counters cannot be updated. */
  async #quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (err) {
      this.#log.warn({ err }, 'cannot refund a sign-in attempt');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
  }
}

function keyOf(text: string): string {
  return hashKey(normalAccount(text));
}

/** Normalizes an email address for counting, ignoring case. */
export function normalAccount(email: string): string {
  return email.trim().toLowerCase();
}
