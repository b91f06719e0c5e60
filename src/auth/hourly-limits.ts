import type { RateLimiterPostgres } from 'rate-limiter-flexible';
import type { Catalog } from '../catalog/catalog.ts';
import { countAttempt, createRateLimiter, hashKey } from './rate-limiter.ts';
import type { Identity } from './tokens/tokens.ts';

const HOUR_SECONDS = 60 * 60;

/** How often one user may do something in an hour. */
export interface HourlyLimitsOptions {
  readonly invitations: number;
  readonly tenants: number;
}

/** Limits what one user may do in an hour, refused attempts included; see {@link createRateLimiter}. */
export class HourlyLimits {
  readonly #invitations: RateLimiterPostgres;
  readonly #tenants: RateLimiterPostgres;

  constructor(catalog: Catalog, { invitations, tenants }: HourlyLimitsOptions) {
    this.#invitations = createRateLimiter(catalog, 'invitation', invitations, HOUR_SECONDS);
    this.#tenants = createRateLimiter(catalog, 'tenant', tenants, HOUR_SECONDS);
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
   * @throws {AppError} RATE_LIMITED
   */
  async countTenant(caller: Identity): Promise<void> {
    await countAttempt(this.#tenants, keyOf(caller), 'You have tried to create too many tenants in the last hour');
  }
}

/** A user, or the bearer of a token who is not one. */
function keyOf({ user, provider, subject, tenant }: Identity): string {
  return hashKey(user?.id ?? JSON.stringify([provider?.issuer, subject, tenant]));
}
