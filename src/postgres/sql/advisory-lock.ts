import type pg from 'pg';
import { quoteLiteral } from './quote.ts';

/** The kinds of advisory locks. Each is the first of a lock's two keys, so locks of different kinds never conflict. */
export const lockKind = {
  /** In a tenant's database: its migrations. */
  migrate: 7001,
  /** In the maintenance database: one process of an installation at a time sets up the system databases. */
  setup: 7002,
  /** In `auth`: a process's liveness lock. The second key is the process's number. */
  alive: 7003,
  /** In the maintenance database: one process of an installation at a time builds its template. */
  template: 7004,
  /** In `auth`: one request at a time creates the user for a person of an identity provider. */
  identity: 7006,
  /** In the maintenance database: one process at a time creates or removes a tenant's role and database. */
  placement: 7010,
  /** In a tenant's database: migrations of its tenants that were in each other's way, one after the other. */
  turn: 7011,
  /** In `auth`: one process at a time deletes old records. */
  retention: 7013,
  /** In `auth`: one process at a time takes connections of a server for itself. */
  budgets: 7015,
  /** In `auth`: the start of a run inserts its items; removals of tenants wait for that. Migrations of `auth` know the number. */
  items: 7016,
  /** In the maintenance database: one process at a time checks migrations in its scratch database. */
  check: 7005,
} as const;

/** How {@link withAdvisoryLock} acquires and releases a lock. */
export interface AdvisoryLockOptions {
  /** How long to wait at most, in milliseconds; 0, the default, for no limit. */
  readonly waitMs?: number;
  /** SQL that runs in one transaction under the lock before `work`, without another round trip. */
  readonly firstSql?: string;
  /** SQL, with a semicolon at its end, that runs in one transaction under the lock after `work` has succeeded, without another round trip. */
  readonly lastSql?: string;
}

/**
 * Runs `work` while this session holds an advisory lock, after waiting for the current holder. Advisory locks are per
 * database. PostgreSQL releases them when the connection is closed and its running statement has ended.
 * @param work gets the result of the last statement of `firstSql`
 * @throws {pg.DatabaseError} 55P03 if the lock was not released in time
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export async function withAdvisoryLock<T>(
  client: pg.Client,
  kind: number,
  key: number | string,
  work: (first: pg.QueryResult | undefined) => Promise<T>,
  { waitMs = 0, firstSql = '', lastSql = '' }: AdvisoryLockOptions = {},
): Promise<T> {
  const lock = `${kind}, ${typeof key === 'string' ? lockKeyOf(quoteLiteral(key)) : key}`;
  const unlockSql = `SELECT pg_advisory_unlock(${lock})`;
  let isHeld = true;
  try {
    // Several statements in one message are one transaction. The timeout ends with it; the session-level lock does not.
    const locking = `SET LOCAL lock_timeout = ${waitMs}; SELECT pg_advisory_lock(${lock})`;
    const begun = client.query(
      firstSql === '' ? locking : `${locking}; SET LOCAL lock_timeout TO DEFAULT; ${firstSql}`,
    );
    const first = await begun.catch((error: unknown) => {
      // Nothing is to be released. With SQL of the caller, that is not certain.
      isHeld = firstSql !== '';
      throw error;
    });
    // node-postgres returns an array for several statements, which its types don't express.
    const result = await work((first as unknown as pg.QueryResult[]).at(-1));
    if (lastSql !== '') {
      // The transaction holds the lock too, because the session releases its own before the commit.
      await client.query(`SELECT pg_advisory_xact_lock(${lock}); ${lastSql} ${unlockSql}`);
      isHeld = false;
    }
    return result;
  } finally {
    // If this fails, the connection is broken and the lock is released. The original error is the one to report.
    if (isHeld) await client.query(unlockSql).catch(() => undefined);
  }
}

/** Returns SQL that locks a name until the end of the transaction. */
export function transactionLockSql(kind: number, name: string): string {
  return `SELECT pg_advisory_xact_lock(${kind}, ${lockKeyOf(quoteLiteral(name))});`;
}

/**
 * Returns an SQL condition that is true while the process whose number is in a column holds its liveness lock. Works only in
 * `auth`, because advisory locks are per database.
 */
export function isAliveSql(column: string): string {
  return `EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = ${lockKind.alive} AND objid = ${column} AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`;
}

/** Returns SQL for a name's lock key: 32 bits of PostgreSQL's `hashtext`. Names with the same hash wait for each other. */
export function lockKeyOf(nameLiteral: string): string {
  return `hashtext(${nameLiteral})`;
}
