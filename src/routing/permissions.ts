import type { EntityManager } from '@mikro-orm/postgresql';
import type { MemberRole } from '../catalog/entities/membership.entity.ts';

/**
 * A caller as a member of one tenant. This is the last of the three types that say who is asking:
 *
 * - `TokenClaims` is what a verified token says.
 * - `Identity` is the caller in all tenants: the claims that are trusted, and the user whom the token belongs to.
 * - `TenantMember` is what that caller is in one tenant. `ResolvedTenant` pairs it with the tenant of the request.
 */
export interface TenantMember {
  /** Undefined without a membership: for a platform admin, or the bearer of a token whose claims are trusted. */
  readonly user: { readonly id: string; readonly since: Date } | undefined;
  /** From the membership, or else from a token whose claims are trusted; ADMIN for other platform admins. */
  readonly role: MemberRole;
  /** Names of the tenant's own roles that a trusted token grants. */
  readonly tokenRoles: readonly string[];
  readonly isPlatformAdmin: boolean;
}

/**
 * Finds a member's permissions in a tenant: names such as `orders:write`. The product implements it. The platform calls it only
 * for fields that need a permission, and caches the answer; see `PermissionCache`.
 */
export type PermissionsOf = (em: EntityManager, member: TenantMember) => Promise<ReadonlySet<string>>;

/**
 * Returns fixed permissions for each role, for products whose tenants define no roles of their own.
 * @param lists the permissions of OWNER, ADMIN and MEMBER; platform admins have all of them
 */
export function permissionsByRole(lists: Readonly<Partial<Record<MemberRole, readonly string[]>>>): PermissionsOf {
  return async (_em, { role, isPlatformAdmin }) => new Set(isPlatformAdmin ? Object.values(lists).flat() : lists[role]);
}
