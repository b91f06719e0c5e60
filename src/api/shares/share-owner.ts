import type { Identity } from '../../auth/tokens/tokens.ts';
import { networkOf } from '../../lib/client-network.ts';
import type { ResolvedTenant } from '../../routing/resolve-tenant.ts';
import type { Owner } from './admission.ts';

/** Callers without a token share the share of one tenant, since they can use any number of addresses. */
const ANONYMOUS = 'anonymous';

/**
 * Returns whose share a request uses. Only members use that of the tenant, so that strangers at its host cannot use it
 * up.
 * @param resolved the request's tenant, if it is served
 * @returns undefined for platform admins, who have no limit
 */
export function shareOwnerOf(
  identity: Identity | undefined,
  resolved: ResolvedTenant | undefined,
  address: string | undefined,
): Owner | undefined {
  if (!identity) return { tenant: ANONYMOUS, caller: address === undefined ? '' : networkOf(address) };
  if (identity.isPlatformAdmin) return undefined;
  const caller = callerOf(identity);
  return { tenant: resolved?.member ? resolved.tenant.id : `caller ${caller}`, caller };
}

/** Identifies the caller by the user, whichever token is used; without a user, by what the token names. */
function callerOf({ user, provider, subject, email, session }: Identity): string {
  return user?.id ?? `${provider?.issuer ?? ''} ${subject ?? email ?? session ?? ''}`;
}
