import { AppError, isUuid, type TenantContext } from '../../platform.ts';
import { changeRoles, type RoleChange, roleToChange } from './change-roles.ts';
import { builtIn } from './define-roles.ts';
import { MemberRole, type Role } from './role.entity.ts';

/** Which role of whom. */
export interface Assignment {
  /** The role's id. */
  readonly role: string;
  /** The user's id. */
  readonly user: string;
}

/**
 * Gives a member one more role, for as long as the membership lasts.
 * @throws {AppError} NOT_FOUND, FORBIDDEN for permissions that the caller has not, or CONFLICT for a built-in role
 */
export async function assignRole(tenant: TenantContext, { role: id, user }: Assignment): Promise<void> {
  const userId = user.toLowerCase();
  const membership = isUuid(userId) ? (await tenant.membershipsOf([userId])).get(userId) : undefined;
  await changeRoles(tenant, async (change) => {
    const role = await assignable(change, id);
    if (!membership) throw new AppError('NOT_FOUND', `There is no member ${user} of ${tenant.row.slug}`);
    await change.em.upsert(MemberRole, { userId, role: role.id, memberSince: membership.since });
  });
}

/**
 * Takes a role from a member, or from somebody who was one.
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

async function assignable(change: RoleChange, id: string): Promise<Role> {
  const role = await roleToChange(change, id);
  if (role.isBuiltIn) throw builtIn(role, 'comes with the membership: use setMemberRole');
  return role;
}
