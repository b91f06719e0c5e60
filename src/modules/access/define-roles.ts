import type { EntityManager } from '@mikro-orm/postgresql';
import { AppError, badInput, isPlainLine, type TenantContext } from '../../platform.ts';
import { changeRoles, mustHave, type RoleChange, roleToChange } from './change-roles.ts';
import { allPermissions, MAX_PERMISSIONS } from './permissions-of.ts';
import { type Permission, Role } from './role.entity.ts';

/** A role in a client's input. Undefined fields stay unchanged. */
export interface RoleInput {
  readonly name: string | undefined;
  readonly description: string | undefined;
  /** Names of permissions. */
  readonly permissions: readonly string[] | undefined;
}

/** The maximum number of a tenant's roles without the built-in ones. */
export const MAX_ROLES = 200;

/**
 * Creates a role.
 * @throws {AppError} BAD_USER_INPUT, FORBIDDEN for permissions that the caller lacks, or CONFLICT if the name is taken
 */
export async function createRole(tenant: TenantContext, input: RoleInput & { readonly name: string }): Promise<Role> {
  return changeRoles(tenant, async (change) => {
    const { em } = change;
    if ((await em.count(Role)) >= MAX_ROLES) throw new AppError('CONFLICT', `A tenant has at most ${MAX_ROLES} roles`);
    const role = em.create(Role, {
      name: await freeName(em, input.name),
      description: readDescription(input.description ?? ''),
      isBuiltIn: false,
    });
    role.permissions.set(await grantable(change, input.permissions ?? []));
    return role;
  });
}

/**
 * Changes a role for everybody who has it. Built-in roles keep their name.
 * @throws {AppError} as {@link createRole}, and NOT_FOUND
 */
export async function updateRole(tenant: TenantContext, id: string, input: RoleInput): Promise<Role> {
  return changeRoles(tenant, async (change) => {
    const role = await roleToChange(change, id);
    if (input.name !== undefined && input.name !== role.name) {
      if (role.isBuiltIn) throw builtIn(role, 'cannot be renamed');
      role.name = await freeName(change.em, input.name);
    }
    if (input.description !== undefined) role.description = readDescription(input.description);
    if (input.permissions !== undefined) role.permissions.set(await grantable(change, input.permissions));
    return role;
  });
}

/**
 * Deletes a role and its assignments.
 * @throws {AppError} NOT_FOUND, FORBIDDEN for permissions that the caller lacks, or CONFLICT for a built-in role
 */
export async function deleteRole(tenant: TenantContext, id: string): Promise<void> {
  await changeRoles(tenant, async (change) => {
    const role = await roleToChange(change, id);
    if (role.isBuiltIn) throw builtIn(role, 'cannot be deleted');
    change.em.remove(role);
  });
}

/** The error for a change that built-in roles don't allow. */
export function builtIn({ name }: Role, why: string): AppError {
  return new AppError('CONFLICT', `The role ${name} is built in and ${why}`);
}

async function freeName(em: EntityManager, name: string): Promise<string> {
  if (!/^[a-z][a-z0-9-]{0,49}$/.test(name)) {
    throw badInput(
      'name',
      "A role's name must have 1 to 50 characters of a to z, 0 to 9 and -, and begin with a letter",
    );
  }
  if ((await em.count(Role, { name })) === 0) return name;
  throw new AppError('CONFLICT', `A role ${name} already exists`, { details: { field: 'name' } });
}

function readDescription(text: string): string {
  const description = text.trim();
  if (description.length <= 200 && isPlainLine(description)) return description;
  throw badInput('description', 'The description must have at most 200 characters, all on one line');
}

async function grantable({ em, mine }: RoleChange, names: readonly string[]): Promise<Permission[]> {
  if (names.length > MAX_PERMISSIONS) throw badInput('permissions', `Name ${MAX_PERMISSIONS} permissions at most`);
  const known = await allPermissions(em);
  const unknown = names.find((name) => !known.some((permission) => permission.name === name));
  if (unknown !== undefined) {
    const all = known.map(({ name }) => name).join(', ');
    throw badInput('permissions', `There is no permission ${JSON.stringify(unknown)}. The permissions are: ${all}`);
  }
  mustHave(mine, names);
  return known.filter(({ name }) => names.includes(name));
}
