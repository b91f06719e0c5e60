import { createHash } from 'node:crypto';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { networkOf } from '../lib/client-network.ts';
import { AppError } from '../lib/errors.ts';
import type { Identity } from './tokens/tokens.ts';

const HOUR_SECONDS = 60 * 60;

/** How often something may be done in an hour. */
export interface HourlyLimitsOptions {
  /** By one user. */
  readonly invitations: number;
  /** By one user. */
  readonly tenants: number;
  /** From one address, because a person can sign up for many accounts. */
  readonly tenantsAtAddress: number;
}

/**
 * Limits what one user, or one address, may do in an hour, refused attempts included. The counts are rows of `auth`, so all servers share
 * them; an attempt counts before it is made, so many at once do not slip through.
 */
export class HourlyLimits {
  readonly #invitations: RateLimiterPostgres;
  readonly #tenants: RateLimiterPostgres;
  readonly #tenantsAtAddresses: RateLimiterPostgres;

  constructor(catalog: Catalog, { invitations, tenants, tenantsAtAddress }: HourlyLimitsOptions) {
    this.#invitations = hourlyLimiter(catalog, 'invitation', invitations);
    this.#tenants = hourlyLimiter(catalog, 'tenant', tenants);
    this.#tenantsAtAddresses = hourlyLimiter(catalog, 'tenantaddress', tenantsAtAddress);
  }

  /**
   * Counts an invitation by the caller.
   * @throws {AppError} RATE_LIMITED
   */
  async countInvitation(caller: Identity): Promise<void> {
    await consume(this.#invitations, keyOf(caller), 'You have sent too many invitations in the last hour');
  }

  /**
   * Counts the creation of a tenant by the caller.
   * @param address the caller's address; undefined if unknown
   * @throws {AppError} RATE_LIMITED
   */
  async countTenant(caller: Identity, address: string | undefined): Promise<void> {
    await consume(this.#tenants, keyOf(caller), 'You have tried to create too many tenants in the last hour');
    if (address === undefined) return;
    const tooMany = 'Too many tenants were created from this address in the last hour';
    await consume(this.#tenantsAtAddresses, networkOf(address), tooMany);
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

async function consume(limiter: RateLimiterPostgres, key: string, what: string): Promise<void> {
  try {
    await limiter.consume(key);
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
