import { AppError, isUuid, type TenantContext } from '../../platform.ts';
import { changeRoles, type RoleChange, roleToChange } from './change-roles.ts';
import { builtIn } from './define-roles.ts';
import { MemberRole, type Role } from './role.entity.ts';

/** A role and a user. */
export interface Assignment {
  /** The role's id. */
  readonly role: string;
  /** The user's id. */
  readonly user: string;
}

/** The maximum number of roles of a member. */
export const MAX_ROLES_OF_MEMBER = 20;

/**
 * Assigns a role to a member for as long as the membership lasts.
 * @throws {AppError} NOT_FOUND, FORBIDDEN for permissions that the caller lacks, or CONFLICT for a built-in role or too many roles
 */
export async function assignRole(tenant: TenantContext, { role: id, user }: Assignment): Promise<void> {
  const userId = user.toLowerCase();
  const membership = isUuid(userId) ? (await tenant.membershipsOf([userId])).get(userId) : undefined;
  await changeRoles(tenant, async (change) => {
    const role = await assignable(change, id);
    if (!membership) throw new AppError('NOT_FOUND', `The tenant ${tenant.row.slug} has no member ${user}`);
    await mustHaveRoom(change, userId, role, membership.since);
    await change.em.upsert(MemberRole, { userId, role: role.id, memberSince: membership.since });
  });
}

/**
 * Removes a role from a member or a former member.
 * @returns false if it was not assigned
 * @throws {AppError} as {@link assignRole}
 */
export async function unassignRole(tenant: TenantContext, { role: id, user }: Assignment): Promise<boolean> {
  return changeRoles(tenant, async (change) => {
    const role = await assignable(change, id);
    const userId = user.toLowerCase();
    return isUuid(userId) && (await change.em.nativeDelete(MemberRole, { userId, role: role.id })) > 0;
  });
}

/** @param since when the membership began; roles of an earlier membership are deleted */
async function mustHaveRoom({ em }: RoleChange, userId: string, role: Role, since: Date): Promise<void> {
  await em.nativeDelete(MemberRole, { userId, memberSince: { $ne: since } });
  if ((await em.count(MemberRole, { userId, role: { $ne: role.id } })) < MAX_ROLES_OF_MEMBER) return;
  throw new AppError('CONFLICT', `A member has at most ${MAX_ROLES_OF_MEMBER} roles. Unassign one first.`);
}

async function assignable(change: RoleChange, id: string): Promise<Role> {
  const role = await roleToChange(change, id);
  if (role.isBuiltIn) throw builtIn(role, 'comes with the membership; use setMemberRole');
  return role;
}
