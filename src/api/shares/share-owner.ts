import type { Identity } from '../../auth/tokens/tokens.ts';
import { networkOf } from '../../lib/client-network.ts';
import type { ResolvedTenant } from '../../routing/resolve-tenant.ts';
import type { Owner } from './admission.ts';

/** Callers without a token share what one tenant has: they can be as many as there are addresses. */
const ANONYMOUS = 'anonymous';

/**
 * Whose share a request uses. Only a member uses that of the tenant: strangers at its host are not to take it from its members.
 * @param place the request's tenant, if it is served
 * @returns undefined for platform admins, who have no limit
 */
export function shareOwnerOf(
  identity: Identity | undefined,
  place: ResolvedTenant | undefined,
  address: string | undefined,
): Owner | undefined {
  if (!identity) return { tenant: ANONYMOUS, caller: address === undefined ? '' : networkOf(address) };
  if (identity.isPlatformAdmin) return undefined;
  const caller = callerOf(identity);
  return { tenant: place?.role === undefined ? `caller ${caller}` : place.tenant.id, caller };
}

/** The user, whatever token it has; else whom the token names. */
function callerOf({ user, provider, subject, email, session }: Identity): string {
  return user?.id ?? `${provider?.issuer ?? ''} ${subject ?? email ?? session ?? ''}`;
}
