import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Logger } from 'pino';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../errors.ts';

const WINDOW_SECONDS = 15 * 60;
const SWEEP_MS = 5 * 60_000;
/** How often in that time somebody may ask in vain whether an address has an account. */
const GUESSES = 30;

/** How many attempts may fail in a quarter of an hour. */
export interface SignInLimitsOptions {
  readonly catalog: Catalog;
  readonly perAccount: number;
  readonly perAddress: number;
  readonly log: Logger;
}

/** Who tries to sign in. */
export interface SignInAttempt {
  /** The email address that was given; undefined where an account is made. */
  readonly account: string | undefined;
  /** Where the attempt comes from; undefined if that is not known. */
  readonly address: string | undefined;
}

/**
 * Limits attempts to sign in, by account and by address, and to find out who has an account. The counts are rows of `auth`,
 * so that all servers share them. An attempt counts before it is made, so that many at once do not slip through; one that
 * succeeds is given back, unless it has made an account, and so is one for which the server has no time.
 */
export class SignInLimits implements Disposable {
  readonly #accounts: RateLimiterPostgres;
  readonly #addresses: RateLimiterPostgres;
  readonly #guesses: RateLimiterPostgres;
  readonly #sweep: NodeJS.Timeout;
  readonly #log: Logger;

  constructor({ catalog, perAccount, perAddress, log }: SignInLimitsOptions) {
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
    this.#accounts = limiter('account', perAccount);
    this.#addresses = limiter('address', perAddress);
    this.#guesses = limiter('guess', GUESSES);
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
  async attempt<T>({ account, address }: SignInAttempt, work: () => Promise<T>): Promise<T> {
    const place = address && networkOf(address);
    const key = account === undefined ? undefined : keyOf(account);
    const refusal = 'Too many attempts to sign in have failed';
    if (place !== undefined) await consume(this.#addresses, place, refusal);
    if (key !== undefined) await consume(this.#accounts, key, refusal);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      if (error instanceof AppError && error.code === 'SERVER_BUSY') {
        await this.#giveBack(async () => {
          if (key !== undefined) await this.#accounts.reward(key);
          if (place !== undefined) await this.#addresses.reward(place);
        });
      }
      throw error;
    }
    if (key !== undefined) {
      await this.#giveBack(async () => {
        await this.#accounts.delete(key);
        if (place !== undefined) await this.#addresses.reward(place);
      });
    }
    return result;
  }

  /**
   * Lets somebody do something that tells whether an email address has an account, unless they have failed at it often.
   * @param caller who it is
   * @throws {AppError} RATE_LIMITED, without having let them try; and what `work` throws
   */
  async guess<T>(caller: string, work: () => Promise<T>): Promise<T> {
    const key = keyOf(caller);
    await consume(this.#guesses, key, 'Too many of the addresses have no account');
    const result = await work();
    await this.#giveBack(() => this.#guesses.reward(key));
    return result;
  }

  /** Never fails: what came of an attempt is told, also when it goes on to count since the catalog has gone. */
  async #giveBack(work: () => Promise<unknown>): Promise<void> {
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
function keyOf(account: string): string {
  return createHash('sha256').update(account.trim().toLowerCase()).digest('hex');
}

/** An address of IPv4; of IPv6 the network, for whoever has one address of it has all. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const groups = head.split(':').filter(Boolean);
  const rest = tail?.split(':').filter(Boolean) ?? [];
  const missing = Array.from({ length: 8 - groups.length - rest.length }, () => '0');
  const all = tail === undefined ? groups : [...groups, ...missing, ...rest];
  return `${all
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
