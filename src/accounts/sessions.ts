import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inTransaction } from '../postgres/transaction.ts';

/** Someone who is signed in, with the one refresh token that is good for it at present. */
export interface Session {
  readonly id: string;
  readonly userId: string;
  /** The tenant that its access tokens name. */
  readonly tenantId: string | undefined;
  readonly refreshToken: string;
}

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly tenant_id: string | null;
}

/** Whose session begins, where, and how long it may go on. */
export interface NewSession {
  readonly userId: string;
  /** As it was when the password was checked. */
  readonly passwordHash: string | undefined;
  readonly tenantId: string | undefined;
  readonly days: number;
}

/**
 * Begins a session, and clears away some that have expired.
 * @returns undefined if the user's password was changed meanwhile, or the account deactivated
 */
export async function openSession(client: pg.Client, session: NewSession): Promise<Session | undefined> {
  await client.query(
    'DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < now() LIMIT 100 FOR UPDATE SKIP LOCKED)',
  );
  return inTransaction(client, async () => {
    // With the lock, whoever changes the password afterwards finds the new session, and ends it.
    const { rowCount } = await client.query(
      'SELECT FROM users WHERE id = $1 AND active AND password_hash IS NOT DISTINCT FROM $2 FOR SHARE',
      [session.userId, session.passwordHash],
    );
    if (rowCount === 0) return undefined;
    const { rows } = await client.query<Row>(
      `INSERT INTO sessions (user_id, tenant_id, expires_at) VALUES ($1, $2, now() + make_interval(days => $3))
       RETURNING id, user_id, tenant_id`,
      [session.userId, session.tenantId, session.days],
    );
    return withNewToken(client, rows[0]);
  });
}

/**
 * Takes a refresh token and gives the next one. A token that was used before ends its session, since either the one who
 * used it first or the one who brings it now has stolen it.
 * @returns undefined if nobody knows the token, or any more; `endedOf` if it was used before
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
 */
export async function rotateRefreshToken(
  client: pg.Client,
  token: string,
): Promise<Session | { readonly endedOf: string } | undefined> {
  const hash = hashOf(token);
  return inTransaction(client, async () => {
    const { rows } = await client.query<Row>(
      `SELECT id, user_id, tenant_id FROM sessions
       WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = $1) AND expires_at > now() FOR UPDATE`,
      [hash],
    );
    if (!rows[0]) return undefined;
    // Under the session's lock, so that of two who come at once the second is seen to be the second.
    const { rowCount } = await client.query(
      'UPDATE refresh_tokens SET used_at = now() WHERE hash = $1 AND used_at IS NULL',
      [hash],
    );
    if (rowCount === 1) return withNewToken(client, rows[0]);
    await client.query('DELETE FROM sessions WHERE id = $1', [rows[0].id]);
    return { endedOf: rows[0].user_id };
  });
}

/**
 * Names another tenant in a session. Its refresh token is replaced, so that an access token alone, which may have been
 * stolen, does not give a second way in that nobody notices.
 * @returns undefined if the session has ended
 */
export async function switchSession(
  client: pg.Client,
  id: string,
  tenantId: string | undefined,
): Promise<Session | undefined> {
  return inTransaction(client, async () => {
    const { rows } = await client.query<Row>(
      'UPDATE sessions SET tenant_id = $2 WHERE id = $1 AND expires_at > now() RETURNING id, user_id, tenant_id',
      [id, tenantId],
    );
    if (!rows[0]) return undefined;
    await client.query('UPDATE refresh_tokens SET used_at = now() WHERE session_id = $1 AND used_at IS NULL', [id]);
    return withNewToken(client, rows[0]);
  });
}

/** Ends the session that a refresh token, used or not, belongs to. */
export async function endSession(client: pg.Client, token: string): Promise<void> {
  await client.query('DELETE FROM sessions WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = $1)', [
    hashOf(token),
  ]);
}

/**
 * Ends a user's sessions.
 * @param except the id of one that goes on
 */
export async function endSessionsOf(client: pg.Client, userId: string, except?: string): Promise<void> {
  await client.query('DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2', [userId, except]);
}

async function withNewToken(client: pg.Client, row: Row | undefined): Promise<Session> {
  if (!row) throw new Error('PostgreSQL did not give the session back');
  const refreshToken = randomBytes(32).toString('base64url');
  await client.query('INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)', [hashOf(refreshToken), row.id]);
  return { id: row.id, userId: row.user_id, tenantId: row.tenant_id ?? undefined, refreshToken };
}

/** Of 256 random bits a fast hash is enough: nobody can try them all. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
