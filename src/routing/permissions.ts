import type { EntityManager } from '@mikro-orm/postgresql';
import { memberRoleOf } from '../auth/tokens/claims.ts';
import type { Identity } from '../auth/tokens/tokens.ts';
import { type MemberRole, memberRoles } from '../catalog/entities/membership.entity.ts';
import type { ResolvedTenant } from './resolve-tenant.ts';

/** A caller who belongs to a tenant. */
export interface TenantMember {
  /** Undefined without a membership: for a platform admin, or the bearer of a token whose claims are trusted. */
  readonly user: { readonly id: string; readonly since: Date } | undefined;
  /** The role of the membership or of a trusted token; MEMBER if the token names none of the three. */
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

/** Returns the caller as a member of the request's tenant; undefined if the caller is not a member. */
export function memberIn(
  { role, since, tokenRoles = [] }: ResolvedTenant,
  identity: Identity | undefined,
): TenantMember | undefined {
  if (!identity || role === undefined) return undefined;
  const { user, isPlatformAdmin } = identity;
  return {
    user: user && since && { id: user.id, since },
    role: memberRoles.find((name) => name === role) ?? 'MEMBER',
    tokenRoles: tokenRoles.filter((name) => memberRoleOf([name]) === undefined),
    isPlatformAdmin,
  };
}
