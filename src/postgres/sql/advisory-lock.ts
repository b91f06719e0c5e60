import type pg from 'pg';
import { quoteLiteral } from './quote.ts';

/** The kinds of advisory locks; their numbers are the first of the two keys, so that kinds never meet. */
export const lockKind = {
  /** In a tenant's database: its migrations. */
  migrate: 7001,
  /** In the maintenance database: one server of an installation at a time sets the system databases up. */
  setup: 7002,
  /** In `auth`: held by a process as long as it lives; the second key is the process's number. */
  alive: 7003,
  /** In the maintenance database: one process of an installation at a time builds its template. */
  template: 7004,
  /** In `auth`: one request at a time makes the user that a person of an identity provider is. */
  identity: 7006,
  /** In the maintenance database: one process at a time makes or removes a tenant's role and database. */
  placement: 7010,
  /** In the maintenance database: one process at a time checks migrations in its scratch database. */
  check: 7005,
} as const;

/**
 * Does `work` while this session holds an advisory lock, and waits for whoever holds it now. Advisory locks are per
 * database; PostgreSQL drops them with the connection, and not before the statement has ended that it is busy with.
 * @param waitMs how long to wait at most, in milliseconds; 0: as long as it takes
 * @throws {pg.DatabaseError} 55P03 when the lock did not come free in time
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export async function withAdvisoryLock<T>(
  client: pg.Client,
  kind: number,
  key: number | string,
  work: () => Promise<T>,
  waitMs = 0,
): Promise<T> {
  const keySql = typeof key === 'string' ? lockKeyOf(quoteLiteral(key)) : key;
  // Several statements in one message are one transaction, so that the time limit ends with it; the lock does not.
  await client.query(`SET LOCAL lock_timeout = ${waitMs}; SELECT pg_advisory_lock(${kind}, ${keySql})`);
  try {
    return await work();
  } finally {
    // Where this fails the connection is broken, and the lock gone with it; what broke it is the error to be seen.
    await client.query(`SELECT pg_advisory_unlock(${kind}, ${keySql})`).catch(() => undefined);
  }
}

/**
 * SQL after which PostgreSQL finds out within ten seconds that the machine at the other end is gone without a word, and drops
 * the session's locks; by default it asks after two hours. Over a Unix socket it does nothing.
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-TCP-KEEPALIVES-IDLE
 */
export function noticeSilenceSql(set: 'SET' | 'SET LOCAL'): string {
  return `${set} tcp_keepalives_idle = 4; ${set} tcp_keepalives_interval = 2; ${set} tcp_keepalives_count = 2;`;
}

/** SQL that takes a lock on a name until the transaction ends. */
export function transactionLockSql(kind: number, name: string): string {
  return `SELECT pg_advisory_xact_lock(${kind}, ${lockKeyOf(quoteLiteral(name))});`;
}

/**
 * SQL that is true while the process lives whose number is in a column: it holds the lock of kind `alive` on its number.
 * Only in `auth`, for advisory locks are per database.
 */
export function isAliveSql(column: string): string {
  return `EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = ${lockKind.alive} AND objid = ${column} AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`;
}

/** A lock's second key for a name: 32 bits, as PostgreSQL's `hashtext` gives them; two names may share one and then wait. */
export function lockKeyOf(nameLiteral: string): string {
  return `hashtext(${nameLiteral})`;
}
