import type pg from 'pg';
import type { PostgresServer } from '../postgres/server.ts';
import { type AdvisoryLockOptions, lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';

/** How long to wait for statements that a dead process or a broken connection has left running on the server, in milliseconds. */
export const OTHERS_WAIT_MS = 10_000;

/**
 * Runs work with an owner's connection to the maintenance database, under a lock on the tenant's database and role: nobody else
 * creates, copies, replaces or drops them meanwhile. Without the lock, a statement that outlives its process could create
 * something after its removal. Only for tenants with a database; the lock of those with a schema is in the shared database.
 * @param key the tenant's key
 * @param sql SQL that shares the round trips with the lock, see {@link withAdvisoryLock}
 * @throws {pg.DatabaseError} 55P03 if the lock was not released in time
 */
export function withPlacementLock<T>(
  server: PostgresServer,
  key: string,
  work: (admin: pg.Client, first: pg.QueryResult | undefined) => Promise<T>,
  sql: Pick<AdvisoryLockOptions, 'firstSql' | 'lastSql'> = {},
): Promise<T> {
  return server.admin((admin) => underPlacementLock(admin, key, work, sql));
}

/**
 * Runs work under the lock on a tenant's database or schema and its role.
 * @param client an owner's connection to the database that has the lock: see {@link withPlacementLock}
 * @param sql see {@link withPlacementLock}
 * @throws {pg.DatabaseError} 55P03 if the lock was not released in time
 */
export function underPlacementLock<T>(
  client: pg.Client,
  key: string,
  work: (client: pg.Client, first: pg.QueryResult | undefined) => Promise<T>,
  sql: Pick<AdvisoryLockOptions, 'firstSql' | 'lastSql'> = {},
): Promise<T> {
  return withAdvisoryLock(client, lockKind.placement, key, (first) => work(client, first), {
    ...sql,
    waitMs: OTHERS_WAIT_MS,
  });
}
