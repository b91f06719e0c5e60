import type { EntityManager, FilterQuery } from '@mikro-orm/postgresql';
import type { TenantContext } from '../../platform.ts';
import { Permission, type Role, RolePermission } from './role.entity.ts';

/** A member of the tenant. */
export type Member = NonNullable<TenantContext['member']>;

/** The built-in role with all permissions, including those of future modules. Nobody can change it. */
export const OWNER_ROLE = 'owner';

/** The permission to change roles and their assignments. */
export const ROLES_WRITE = 'roles:write';

/** The maximum number of permissions in a list. Modules add theirs in their migrations. */
export const MAX_PERMISSIONS = 200;

/** Lists the tenant's permissions by name, up to one above the limit, so that an overflow is noticed. */
export function allPermissions(em: EntityManager): Promise<Permission[]> {
  return em.find(Permission, {}, { orderBy: { name: 'asc' }, limit: MAX_PERMISSIONS + 1 });
}

/** Returns the permissions of each role, by name. */
export async function permissionsOfRoles(em: EntityManager, roles: readonly Role[]): Promise<Permission[][]> {
  const all = await allPermissions(em);
  const names = all.map(({ name }) => name);
  const ids = roles.map(({ id }) => id);
  const links = await em.find(RolePermission, { role: { $in: ids }, permission: { $in: names } });
  const granted = Map.groupBy(links, ({ role }) => role.id);
  return roles.map(({ id, name }) => {
    if (name === OWNER_ROLE) return all;
    const own = new Set(granted.get(id)?.map(({ permission }) => permission.name));
    return all.filter((permission) => own.has(permission.name));
  });
}

/**
 * Returns a member's permissions: those of all roles that are assigned, that come with the membership or that the token claims.
 * Owners and platform admins have all permissions. It takes one query.
 */
export async function permissionsOf(em: EntityManager, member: Member): Promise<ReadonlySet<string>> {
  const { user, isPlatformAdmin, tokenRoles } = member;
  const builtIn = builtInRole(member);
  const mine: FilterQuery<Role>[] = [{ name: builtIn }, { name: { $in: [...tokenRoles] }, isBuiltIn: false }];
  if (user) mine.push({ assignments: { $some: { userId: user.id, memberSince: user.since } } });
  const all = isPlatformAdmin || builtIn === OWNER_ROLE;
  const found = await em.find(Permission, all ? {} : { roles: { $some: { $or: mine } } });
  return new Set(found.map(({ name }) => name));
}

/** The name of the role that comes with a membership. */
export function builtInRole({ role }: Pick<Member, 'role'>): string {
  return role.toLowerCase();
}
