import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError, isUuid, type TenantContext } from '../../platform.ts';
import { OWNER_ROLE, permissionsOf, ROLES_WRITE } from './permissions-of.ts';
import { Role } from './role.entity.ts';

/** One change of roles, in a transaction of its own. */
export interface RoleChange {
  readonly em: EntityManager;
  /** What the caller may do, read when nobody else could change it any more. */
  readonly mine: ReadonlySet<string>;
}

/**
 * Changes roles, or who has them: one change of a tenant at a time, so that what the caller may do is known for certain.
 * @throws {AppError} FORBIDDEN if the caller may not change roles any more, CONFLICT if the change would take that from them:
 *   somebody else has to do it, so that nobody locks a tenant's last admin out by mistake
 */
export async function changeRoles<T>(tenant: TenantContext, work: (change: RoleChange) => Promise<T>): Promise<T> {
  const { member } = tenant;
  // A fork knows no roles yet, so that they are read under the lock and not taken from memory.
  const changed = await tenant.em.fork().transactional(async (em) => {
    // Nobody can change this role, which is why it can stand for all of them.
    await em.findOneOrFail(Role, { name: OWNER_ROLE }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    const permissions = async () => (member ? permissionsOf(em, member) : new Set<string>());
    const mine = await permissions();
    if (!mine.has(ROLES_WRITE)) throw new AppError('FORBIDDEN', `This needs the permission ${ROLES_WRITE}`);
    const result = await work({ em, mine });
    await em.flush();
    if ((await permissions()).has(ROLES_WRITE)) return result;
    throw new AppError(
      'CONFLICT',
      'You could not change roles any more. Let somebody do this who still can afterwards.',
    );
  });
  await tenant.permissionsChanged();
  return changed;
}

/**
 * The role that a client names, with its permissions.
 * @throws {AppError} NOT_FOUND; FORBIDDEN if it has permissions that the caller has not
 */
export async function roleToChange({ em, mine }: RoleChange, id: string): Promise<Role> {
  const role = isUuid(id) ? await em.findOne(Role, { id }, { populate: ['permissions'] }) : null;
  if (!role) throw new AppError('NOT_FOUND', `There is no role ${id}`);
  if (role.name === OWNER_ROLE)
    throw new AppError('CONFLICT', 'The role of owners has all permissions, and stays as it is');
  mustHave(
    mine,
    role.permissions.getItems().map(({ name }) => name),
  );
  return role;
}

/**
 * Nobody gives what they do not have, nor takes it away: else an admin could make themselves more than an owner meant.
 * @throws {AppError} FORBIDDEN
 */
export function mustHave(mine: ReadonlySet<string>, permissions: readonly string[]): void {
  const beyond = permissions.filter((name) => !mine.has(name));
  if (beyond.length === 0) return;
  throw new AppError(
    'FORBIDDEN',
    `Only who has a permission may give or take it, and you do not have ${beyond.join(', ')}`,
  );
}
