import type { EntityManager, FilterQuery } from '@mikro-orm/postgresql';
import type { TenantContext } from '../../platform.ts';
import { Permission, type Role, RolePermission } from './role.entity.ts';

/** A member of the tenant. */
export type Member = NonNullable<TenantContext['member']>;

/** The built-in role that has all permissions, also those of modules to come, and that nobody can change. */
export const OWNER_ROLE = 'owner';

/** The permission to change roles, and who has them. */
export const ROLES_WRITE = 'roles:write';

/** The most permissions of a tenant that are listed; modules add theirs in their migrations. */
export const MAX_PERMISSIONS = 200;

/** All permissions that there are in the tenant, by name. Of more than are listed there is one more, so that it is noticed. */
export function allPermissions(em: EntityManager): Promise<Permission[]> {
  return em.find(Permission, {}, { orderBy: { name: 'asc' }, limit: MAX_PERMISSIONS + 1 });
}

/** The permissions of each of some roles, by name. */
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
 * What a member may do: what any of the member's roles may, whether it was assigned here, or came with the membership or the
 * token. Owners, and platform admins as much as owners, may do everything. It is one query.
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
