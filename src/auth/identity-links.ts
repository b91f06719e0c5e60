import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import { nameSchema } from '../lib/input.ts';
import { lockKind, transactionLockSql } from '../postgres/sql/advisory-lock.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { type AuditRecord, writeAudit } from './audit-log.ts';
import { endSessionsOf } from './sessions.ts';

/** A person, as an identity provider tells of them. */
export interface Person {
  readonly issuer: string;
  /** What the provider tells people apart by. */
  readonly subject: string;
  /** The address, if the provider says that it is the person's. */
  readonly email: string | undefined;
  readonly name: string | undefined;
  /** Whether an account that has this address is the person's. */
  readonly linkByEmail: boolean;
}

/** Where a request comes from, for the audit log. */
export type Origin = Pick<AuditRecord, 'address' | 'requestId'>;

/** The user that a person is; undefined at the first request. */
export async function linkedUserId(client: pg.Client, { issuer, subject }: Person): Promise<string | undefined> {
  const { rows } = await client.query<{ user_id: string }>(
    'SELECT user_id FROM user_identities WHERE issuer = $1 AND subject = $2',
    [issuer, subject],
  );
  return rows[0]?.user_id;
}

/**
 * Finds the user that a person is, and makes one at the first request. An account that has the person's address already is not
 * the person's, who then gets one without an address: whoever may say at a provider which address is theirs would take it
 * over. With `linkByEmail` it is; its password is good no more then, for whoever made it need not have been the address's
 * owner. A platform admin's account is nobody else's, whatever a provider says.
 * @throws {AppError} UNAUTHENTICATED if the account to be linked is deactivated
 */
export async function linkUser(client: pg.Client, person: Person, origin: Origin): Promise<string> {
  return inTransaction(client, async () => {
    // Of several first requests at once the others wait here, and then find what the first has made.
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
    `UPDATE users SET password_hash = NULL WHERE lower(email) = lower($1) AND NOT is_platform_admin
     RETURNING id, active`,
    [email],
  );
  const [account] = rows;
  if (!account) return undefined;
  if (!account.active) throw new AppError('UNAUTHENTICATED', 'The account is deactivated');
  await endSessionsOf(client, account.id);
  return account.id;
}

/** An address that another user has is left out. */
async function addUser(client: pg.Client, { email, name, subject }: Person): Promise<string> {
  const names = [name, email?.split('@')[0], subject].map((text) => nameSchema.safeParse(text).data);
  const displayName = names.find((text) => text !== undefined) ?? 'somebody';
  const insert = async (address: string | undefined) => {
    const { rows } = await client.query<{ id: string }>(
      'INSERT INTO users (email, name) VALUES ($1, $2) ON CONFLICT (lower(email)) DO NOTHING RETURNING id',
      [address, displayName],
    );
    return rows[0]?.id;
  };
  const id = (await insert(email)) ?? (await insert(undefined));
  if (id === undefined) throw new Error('PostgreSQL did not give the user back');
  return id;
}
