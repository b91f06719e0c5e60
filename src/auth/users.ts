import { type FilterQuery, raw } from '@mikro-orm/core';
import { z } from 'zod';
import type { Catalog } from '../catalog/catalog.ts';
import { User } from '../catalog/entities/user.entity.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { nameSchema, validInput } from '../lib/input.ts';
import { isUuid } from '../lib/uuid.ts';
import { containing } from '../orm/ilike.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { checkNewPassword, type Passwords } from './passwords.ts';
import { sameAddress } from './same-address.ts';
import { endSessionsOf } from './sessions.ts';
import type { Identity } from './tokens/tokens.ts';

/** The dependencies of account management. */
export interface UsersOptions {
  readonly catalog: Catalog;
  readonly passwords: Passwords;
}

/** A new account. */
export interface NewAccount {
  readonly email: string;
  readonly name: string;
  /** At least 12 characters. */
  readonly password: string;
  readonly isPlatformAdmin?: boolean;
}

/** An email address. */
export const emailSchema = z
  .email({ error: 'This is not a valid email address' })
  .max(254, { error: 'The email address is too long' });

/**
 * Creates an account.
 * @throws {AppError} BAD_USER_INPUT, or CONFLICT if the address has one
 */
export async function createUser({ catalog, passwords }: UsersOptions, input: NewAccount): Promise<User> {
  const email = validInput('email', emailSchema, input.email.trim());
  const name = validInput('name', nameSchema, input.name);
  checkNewPassword('password', input.password);
  const passwordHash = await passwords.hash(input.password);
  // Parameters and ON CONFLICT keep the values out of PostgreSQL's log, which includes the text of failed statements.
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `INSERT INTO users (email, name, password_hash, is_platform_admin) VALUES ($1, $2, $3, $4)
       ON CONFLICT (${sameAddress('email')}) DO NOTHING RETURNING id`,
      [email, name, passwordHash, input.isPlatformAdmin ?? false],
    ),
  );
  if (rows[0]) return catalog.fork().findOneOrFail(User, { id: rows[0].id });
  throw new AppError('CONFLICT', `An account with the address ${email} already exists`, {
    details: { field: 'email' },
  });
}

/**
 * Changes the caller's password and ends all of the caller's other sessions.
 * @throws {AppError} BAD_USER_INPUT if the current password is wrong or the new one is not allowed; CONFLICT if the
 *   account is changed in the meantime
 */
export async function changePassword(
  { catalog, passwords }: UsersOptions,
  identity: Identity,
  input: { readonly currentPassword: string; readonly newPassword: string },
): Promise<void> {
  checkNewPassword('newPassword', input.newPassword);
  const user = identity.user && (await catalog.fork().findOne(User, { id: identity.user.id }));
  const hash = user?.passwordHash ?? undefined;
  if (!(await passwords.verify(input.currentPassword, hash)) || !user || hash === undefined) {
    throw badInput('currentPassword', 'The current password is wrong');
  }
  const newHash = await passwords.hash(input.newPassword);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      // While the password was being hashed, the account may have been linked to a person of an identity provider.
      const { rowCount } = await client.query(
        'UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2',
        [user.id, hash, newHash],
      );
      if (rowCount === 0) throw new AppError('CONFLICT', 'The account was changed in the meantime. Sign in again.');
      await endSessionsOf(client, user.id, identity.session);
    }),
  );
}

/**
 * Activates or deactivates a user. Deactivation ends all of the user's sessions.
 * @throws {AppError} NOT_FOUND
 */
export async function setUserActive({ catalog }: UsersOptions, id: string, active: boolean): Promise<User> {
  await userById(catalog, id);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await client.query('UPDATE users SET active = $2 WHERE id = $1', [id, active]);
      if (!active) await endSessionsOf(client, id);
    }),
  );
  return userById(catalog, id);
}

/**
 * Makes a user a platform admin, or revokes that.
 * @throws {AppError} NOT_FOUND
 */
export async function setPlatformAdmin({ catalog }: UsersOptions, id: string, isAdmin: boolean): Promise<User> {
  await userById(catalog, id);
  await catalog.use((client) => client.query('UPDATE users SET is_platform_admin = $2 WHERE id = $1', [id, isAdmin]));
  return userById(catalog, id);
}

/**
 * Returns the MikroORM filter for users.
 * @param search part of the email address or name, ignoring case
 */
export function userWhere(search: string | null | undefined): FilterQuery<User> {
  if (!search) return {};
  return { $or: [{ email: containing(search) }, { name: containing(search) }] };
}

async function userById(catalog: Catalog, id: string): Promise<User> {
  const user = isUuid(id) ? await catalog.fork().findOne(User, { id }) : null;
  if (!user) throw new AppError('NOT_FOUND', `There is no user ${id}`);
  return user;
}

/**
 * Finds the user with an email address, ignoring case. A single query, so that its duration does not reveal whether the
 * user exists.
 */
export async function userByEmail(catalog: Catalog, email: string): Promise<User | undefined> {
  const user = await catalog
    .fork()
    .findOne(User, { [raw(sameAddress('email'))]: raw(sameAddress('?'), [email.trim()]) });
  return user ?? undefined;
}
