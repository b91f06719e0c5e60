import type { EntityManager } from '@mikro-orm/postgresql';
import { memberRoleOf } from '../auth/tokens/claims.ts';
import type { Identity } from '../auth/tokens/tokens.ts';
import { type MemberRole, memberRoles } from '../catalog/entities/membership.entity.ts';
import type { ResolvedTenant } from './resolve-tenant.ts';

/** Somebody who belongs to a tenant, as seen from inside it. */
export interface TenantMember {
  /** Undefined for who has no membership: a platform admin, or the bearer of a token whose claims are believed. */
  readonly user: { readonly id: string; readonly since: Date } | undefined;
  /** What the membership says, or a token whose claims are believed; MEMBER if that says none of the three. */
  readonly role: MemberRole;
  /** Names of roles of the tenant's own that such a token gives its bearer. */
  readonly tokenRoles: readonly string[];
  readonly isPlatformAdmin: boolean;
}

/**
 * Finds what a member may do in a tenant: names such as `orders:write`. The product that is built on the platform says how,
 * and the platform asks only for a field that needs a permission, and remembers the answer; see `KnownPermissions`.
 */
export type PermissionsOf = (em: EntityManager, member: TenantMember) => Promise<ReadonlySet<string>>;

/**
 * Permissions of a product whose tenants define no roles of their own.
 * @param lists what OWNER, ADMIN and MEMBER may do; platform admins may do all of it
 */
export function permissionsByRole(lists: Readonly<Partial<Record<MemberRole, readonly string[]>>>): PermissionsOf {
  return async (_em, { role, isPlatformAdmin }) => new Set(isPlatformAdmin ? Object.values(lists).flat() : lists[role]);
}

/** The caller of a request as a member of its tenant; undefined for someone who is none. */
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
