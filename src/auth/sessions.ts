import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inTransaction } from '../postgres/sql/transaction.ts';

/** How long the client that used a refresh token may use it again, for two of its tabs or a lost response. */
const REPEAT_SECONDS = 30;
/** The maximum number of valid tokens of a session, and of its used tokens that are stored. */
const MAX_TOKENS = 10;
/** The maximum number of sessions of a user; the oldest ones end. */
const MAX_SESSIONS = 100;
const FAMILY_BYTES = 16;
const SECRET_BYTES = 16;

/** A session with a new refresh token. */
export interface Session {
  readonly id: string;
  readonly userId: string;
  /** The tenant named in its access tokens. */
  readonly tenantId: string | undefined;
  readonly refreshToken: string;
}

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly tenant_id: string | null;
  readonly family: string;
}

/** The parameters of a new session. */
export interface NewSession {
  readonly userId: string;
  /** The hash against which the password was checked. */
  readonly passwordHash: string | undefined;
  readonly tenantId: string | undefined;
  readonly days: number;
}

/**
 * Opens a session. Also deletes some expired sessions, and the user's oldest ones if there are too many.
 * @returns undefined if the password was changed or the account deactivated in the meantime
 */
export async function openSession(client: pg.Client, session: NewSession): Promise<Session | undefined> {
  await client.query(
    'DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < now() LIMIT 100 FOR UPDATE SKIP LOCKED)',
  );
  return inTransaction(client, async () => {
    // With this lock, a later change of the password finds the new session and ends it.
    const { rowCount } = await client.query(
      'SELECT FROM users WHERE id = $1 AND active AND password_hash IS NOT DISTINCT FROM $2 FOR SHARE',
      [session.userId, session.passwordHash],
    );
    if (rowCount === 0) return undefined;
    const { rows } = await client.query<Row>(
      `INSERT INTO sessions (user_id, tenant_id, expires_at) VALUES ($1, $2, now() + make_interval(days => $3))
       RETURNING id, user_id, tenant_id, family`,
      [session.userId, session.tenantId, session.days],
    );
    await client.query(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions
         WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id OFFSET $2)
         FOR UPDATE SKIP LOCKED)`,
      [session.userId, MAX_SESSIONS],
    );
    return withNewToken(client, rows[0]);
  });
}

/**
 * Exchanges a refresh token for the next one. The client that used a token may use it again within 30 seconds, because
 * two of its tabs may refresh at once and a response may be lost; each use returns another token. Otherwise, reuse of a
 * token ends its session, because either the first or the second user has stolen it.
 * @param from the client's network
 * @returns undefined if the token is unknown or expired; `endedOf` if it was reused
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
 */
export async function rotateRefreshToken(
  client: pg.Client,
  token: string,
  from: string | undefined,
): Promise<Session | { readonly endedOf: string } | undefined> {
  const hash = hashOf(token);
  return inTransaction(client, async () => {
    const { rows } = await client.query<Row>(
      `SELECT id, user_id, tenant_id, family FROM sessions WHERE ${ofToken} AND expires_at > now() FOR UPDATE`,
      [hash, familyOf(token)],
    );
    if (!rows[0]) return undefined;
    // The session's lock serializes concurrent uses of the same token.
    const { rowCount } = await client.query(
      `UPDATE refresh_tokens SET used_at = coalesce(used_at, now()), used_from = CASE WHEN used_at IS NULL THEN $2 ELSE used_from END
       WHERE hash = $1
         AND (used_at IS NULL OR used_at > now() - make_interval(secs => $3) AND used_from IS NOT DISTINCT FROM $2)`,
      [hash, from, REPEAT_SECONDS],
    );
    if (rowCount === 1) return withNewToken(client, rows[0]);
    await client.query('DELETE FROM sessions WHERE id = $1', [rows[0].id]);
    return { endedOf: rows[0].user_id };
  });
}

/**
 * Changes the tenant of a session and replaces its refresh token. Otherwise a stolen access token could obtain a second
 * valid refresh token unnoticed.
 * @returns undefined if the session has ended
 */
export async function switchSession(
  client: pg.Client,
  id: string,
  tenantId: string | undefined,
): Promise<Session | undefined> {
  return inTransaction(client, async () => {
    const { rows } = await client.query<Row>(
      'UPDATE sessions SET tenant_id = $2 WHERE id = $1 AND expires_at > now() RETURNING id, user_id, tenant_id, family',
      [id, tenantId],
    );
    if (!rows[0]) return undefined;
    await client.query('DELETE FROM refresh_tokens WHERE session_id = $1', [id]);
    return withNewToken(client, rows[0]);
  });
}

/** Ends the session of a refresh token, whether the token was used or not. */
export async function endSession(client: pg.Client, token: string): Promise<void> {
  await client.query(`DELETE FROM sessions WHERE ${ofToken}`, [hashOf(token), familyOf(token)]);
}

/**
 * Ends all sessions of a user.
 * @param except the id of a session to keep
 */
export async function endSessionsOf(client: pg.Client, userId: string, except?: string): Promise<void> {
  await client.query('DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2', [userId, except]);
}

/** Selects the session of a token: by its family, or by its row if it was created before families existed. */
const ofToken = '(family = $2 OR id = (SELECT session_id FROM refresh_tokens WHERE hash = $1))';

/**
 * Deletes old tokens and adds a new one. Used tokens don't need a row for longer: their family shows that they were
 * used.
 */
async function withNewToken(client: pg.Client, row: Row | undefined): Promise<Session> {
  if (!row) throw new Error('PostgreSQL did not return the session');
  await client.query(
    `DELETE FROM refresh_tokens WHERE hash IN (
       SELECT hash FROM (
         SELECT hash, used_at, row_number() OVER (
           PARTITION BY used_at IS NULL ORDER BY coalesce(used_at, created_at) DESC) AS place
         FROM refresh_tokens WHERE session_id = $1) AS tokens
       WHERE place >= $2 OR used_at <= now() - make_interval(secs => $3))`,
    [row.id, MAX_TOKENS, REPEAT_SECONDS],
  );
  const family = Buffer.from(row.family.replaceAll('-', ''), 'hex');
  const refreshToken = Buffer.concat([family, randomBytes(SECRET_BYTES)]).toString('base64url');
  await client.query('INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)', [hashOf(refreshToken), row.id]);
  return { id: row.id, userId: row.user_id, tenantId: row.tenant_id ?? undefined, refreshToken };
}

/** Returns undefined if the string is not one of our tokens. */
function familyOf(token: string): string | undefined {
  const bytes = Buffer.from(token, 'base64url');
  return bytes.length === FAMILY_BYTES + SECRET_BYTES ? bytes.subarray(0, FAMILY_BYTES).toString('hex') : undefined;
}

/** A fast hash is sufficient, because the token has too many random bits to guess. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
