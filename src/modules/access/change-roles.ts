import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError, isUuid, type TenantContext } from '../../platform.ts';
import { OWNER_ROLE, permissionsOf, ROLES_WRITE } from './permissions-of.ts';
import { Role } from './role.entity.ts';

/** One change of roles, in its own transaction. */
export interface RoleChange {
  readonly em: EntityManager;
  /** The caller's permissions, read under the lock. */
  readonly mine: ReadonlySet<string>;
}

/**
 * Changes roles or their assignments. A tenant's changes run one at a time, so that the caller's permissions cannot change
 * meanwhile.
 * @throws {AppError} FORBIDDEN if the caller may not change roles, CONFLICT if the change would take that permission from the
 *   caller: somebody else must do that, so that nobody locks out a tenant's last admin by mistake
 */
export async function changeRoles<T>(tenant: TenantContext, work: (change: RoleChange) => Promise<T>): Promise<T> {
  const { member } = tenant;
  // A fork has an empty identity map, so roles are read under the lock.
  const changed = await tenant.em.fork().transactional(async (em) => {
    // This role always exists, so its row serves as the lock for all roles.
    await em.findOneOrFail(Role, { name: OWNER_ROLE }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    const permissions = async () => (member ? permissionsOf(em, member) : new Set<string>());
    const mine = await permissions();
    if (!mine.has(ROLES_WRITE)) throw new AppError('FORBIDDEN', `This needs the permission ${ROLES_WRITE}`);
    const result = await work({ em, mine });
    await em.flush();
    if ((await permissions()).has(ROLES_WRITE)) return result;
    throw new AppError(
      'CONFLICT',
      'This would remove your own permission to change roles. Ask somebody who keeps the permission to do it.',
    );
  });
  await tenant.permissionsChanged();
  return changed;
}

/**
 * Finds a role by its id, with its permissions.
 * @throws {AppError} NOT_FOUND; CONFLICT for the owners' role; FORBIDDEN if it has permissions that the caller lacks
 */
export async function roleToChange({ em, mine }: RoleChange, id: string): Promise<Role> {
  const role = isUuid(id) ? await em.findOne(Role, { id }, { populate: ['permissions'] }) : null;
  if (!role) throw new AppError('NOT_FOUND', `There is no role ${id}`);
  if (role.name === OWNER_ROLE)
    throw new AppError('CONFLICT', 'The role owner has all permissions and cannot be changed');
  mustHave(
    mine,
    role.permissions.getItems().map(({ name }) => name),
  );
  return role;
}

/**
 * Checks that the caller has all permissions that are granted or revoked. Otherwise admins could raise their own privileges.
 * @throws {AppError} FORBIDDEN
 */
export function mustHave(mine: ReadonlySet<string>, permissions: readonly string[]): void {
  const beyond = permissions.filter((name) => !mine.has(name));
  if (beyond.length === 0) return;
  throw new AppError(
    'FORBIDDEN',
    `You can only grant or revoke permissions that you have. You lack: ${beyond.join(', ')}`,
  );
}
