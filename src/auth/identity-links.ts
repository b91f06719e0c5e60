import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import { nameSchema } from '../lib/input.ts';
import { lockKind, transactionLockSql } from '../postgres/sql/advisory-lock.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { type AuditRecord, writeAudit } from './audit-log.ts';
import { sameAddress } from './same-address.ts';
import { endSessionsOf } from './sessions.ts';

/** A person, as described by an identity provider. */
export interface Person {
  readonly issuer: string;
  /** The provider's unique id of the person. */
  readonly subject: string;
  /** The email address, if the provider has verified it. */
  readonly email: string | undefined;
  readonly name: string | undefined;
  /** Whether an existing account with this address is linked to the person. */
  readonly linkByEmail: boolean;
}

/** The origin of a request, for the audit log. */
export type Origin = Pick<AuditRecord, 'address' | 'requestId'>;

/** The id of the user that is linked to a person; undefined at the first request. */
export async function linkedUserId(client: pg.Client, { issuer, subject }: Person): Promise<string | undefined> {
  const { rows } = await client.query<{ user_id: string }>(
    'SELECT user_id FROM user_identities WHERE issuer = $1 AND subject = $2',
    [issuer, subject],
  );
  return rows[0]?.user_id;
}

/**
 * Finds the user that is linked to a person, and creates one at the first request. By default an existing account with
 * the person's address is not linked, and the new user gets no address: otherwise anyone who can set an address at a
 * provider could take over the account. With `linkByEmail` it is linked, and its password is removed, because whoever
 * created the account need not own the address. A platform admin's account is never linked.
 * @throws {AppError} UNAUTHENTICATED if the account to be linked is deactivated
 */
export async function linkUser(client: pg.Client, person: Person, origin: Origin): Promise<string> {
  return inTransaction(client, async () => {
    // Concurrent first requests wait here, and then find what the first one created.
    await client.query(transactionLockSql(lockKind.identity, `${person.issuer} ${person.subject}`));
    const known = await linkedUserId(client, person);
    if (known !== undefined) return known;
    const userId = (await accountByEmail(client, person)) ?? (await addUser(client, person));
    await client.query('INSERT INTO user_identities (issuer, subject, user_id) VALUES ($1, $2, $3)', [
      person.issuer,
      person.subject,
      userId,
    ]);
    const { issuer, subject, email } = person;
    const record = { actor: email ?? subject, userId, action: 'linkIdentity', tenantId: undefined, outcome: 'OK' };
    await writeAudit(
      { use: (work) => work(client) },
      { ...record, ...origin, details: JSON.stringify({ issuer, subject }) },
    );
    return userId;
  });
}

async function accountByEmail(client: pg.Client, { email, linkByEmail }: Person): Promise<string | undefined> {
  if (!linkByEmail || email === undefined) return undefined;
  const { rows } = await client.query<{ id: string; active: boolean }>(
    `UPDATE users SET password_hash = NULL WHERE ${sameAddress('email')} = ${sameAddress('$1')} AND NOT is_platform_admin
     RETURNING id, active`,
    [email],
  );
  const [account] = rows;
  if (!account) return undefined;
  if (!account.active) throw new AppError('UNAUTHENTICATED', 'The account is deactivated');
  await endSessionsOf(client, account.id);
  return account.id;
}

/** The address is omitted if another user has it. */
async function addUser(client: pg.Client, { email, name, subject }: Person): Promise<string> {
  const names = [name, email?.split('@')[0], subject].map((text) => nameSchema.safeParse(text).data);
  const displayName = names.find((text) => text !== undefined) ?? 'somebody';
  const insert = async (address: string | undefined) => {
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO users (email, name) VALUES ($1, $2) ON CONFLICT (${sameAddress('email')}) DO NOTHING RETURNING id`,
      [address, displayName],
    );
    return rows[0]?.id;
  };
  const id = (await insert(email)) ?? (await insert(undefined));
  if (id === undefined) throw new Error('PostgreSQL did not return the user');
  return id;
}
