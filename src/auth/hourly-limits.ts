import { createHash } from 'node:crypto';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../lib/errors.ts';
import type { Identity } from './tokens/tokens.ts';

const HOUR_SECONDS = 60 * 60;

/** How often one user may do something in an hour. */
export interface HourlyLimitsOptions {
  readonly invitations: number;
  readonly tenants: number;
}

/**
 * Limits what one user may do in an hour, refused attempts included. The counts are rows of `auth`, so all servers share
 * them; an attempt counts before it is made, so many at once do not slip through.
 */
export class HourlyLimits {
  readonly #invitations: RateLimiterPostgres;
  readonly #tenants: RateLimiterPostgres;

  constructor(catalog: Catalog, { invitations, tenants }: HourlyLimitsOptions) {
    this.#invitations = hourlyLimiter(catalog, 'invitation', invitations);
    this.#tenants = hourlyLimiter(catalog, 'tenant', tenants);
  }

  /**
   * Counts an invitation by the caller.
   * @throws {AppError} RATE_LIMITED
   */
  async countInvitation(caller: Identity): Promise<void> {
    await consume(this.#invitations, caller, 'You have sent too many invitations in the last hour');
  }

  /**
   * Counts the creation of a tenant by the caller.
   * @throws {AppError} RATE_LIMITED
   */
  async countTenant(caller: Identity): Promise<void> {
    await consume(this.#tenants, caller, 'You have tried to create too many tenants in the last hour');
  }
}

function hourlyLimiter(catalog: Catalog, keyPrefix: string, points: number): RateLimiterPostgres {
  return new RateLimiterPostgres({
    // Statements are not named: named prepared statements fail behind a transaction-pooling proxy.
    storeClient: {
      query: ({ text, values }: { text: string; values: unknown[] }) =>
        catalog.use((client) => client.query(text, values)),
    },
    storeType: 'client',
    tableName: 'login_attempts',
    tableCreated: true,
    // Expired rows are deleted together with those of sign-in attempts.
    clearExpiredByTimeout: false,
    keyPrefix,
    points,
    duration: HOUR_SECONDS,
  });
}

async function consume(limiter: RateLimiterPostgres, caller: Identity, what: string): Promise<void> {
  try {
    await limiter.consume(keyOf(caller));
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    const minutes = Math.ceil(refusal.msBeforeNext / 60_000);
    throw new AppError('RATE_LIMITED', `${what}. Try again in ${minutes} minutes.`, {
      details: { retryAfterMs: refusal.msBeforeNext },
    });
  }
}

/** A user, or the bearer of a token who is not one. Hashed, since subjects may be longer than the column. */
function keyOf({ user, provider, subject, tenant }: Identity): string {
  const caller = user?.id ?? JSON.stringify([provider?.issuer, subject, tenant]);
  return createHash('sha256').update(caller).digest('hex');
}
