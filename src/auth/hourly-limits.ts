import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { networkOf } from '../lib/client-network.ts';
import { countAttempt, createRateLimiter, hashKey } from './rate-limiter.ts';
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

/** Limits what one user, or one address, may do in an hour, refused attempts included; see {@link createRateLimiter}. */
export class HourlyLimits {
  readonly #invitations: RateLimiterPostgres;
  readonly #tenants: RateLimiterPostgres;
  readonly #tenantsAtAddresses: RateLimiterPostgres;

  constructor(catalog: Catalog, { invitations, tenants, tenantsAtAddress }: HourlyLimitsOptions) {
    this.#invitations = createRateLimiter(catalog, 'invitation', invitations, HOUR_SECONDS);
    this.#tenants = createRateLimiter(catalog, 'tenant', tenants, HOUR_SECONDS);
    this.#tenantsAtAddresses = createRateLimiter(catalog, 'tenantaddress', tenantsAtAddress, HOUR_SECONDS);
  }

  /**
   * Counts an invitation by the caller.
   * @throws {AppError} RATE_LIMITED
   */
  async countInvitation(caller: Identity): Promise<void> {
    await countAttempt(this.#invitations, keyOf(caller), 'You have sent too many invitations in the last hour');
  }

  /**
   * Counts the creation of a tenant by the caller.
   * @param address the caller's address; undefined if unknown
   * @throws {AppError} RATE_LIMITED
   */
  async countTenant(caller: Identity, address: string | undefined): Promise<void> {
    await countAttempt(this.#tenants, keyOf(caller), 'You have tried to create too many tenants in the last hour');
    if (address === undefined) return;
    const refusal = 'Too many tenants were created from this address in the last hour';
    await countAttempt(this.#tenantsAtAddresses, networkOf(address), refusal);
  }
}

/** A user, or the bearer of a token who is not one. */
function keyOf({ user, provider, subject, tenant }: Identity): string {
  return hashKey(user?.id ?? JSON.stringify([provider?.issuer, subject, tenant]));
}
