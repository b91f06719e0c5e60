import type pg from 'pg';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';

/** How long to wait for statements that a dead process or a broken connection has left running on the server, in milliseconds. */
export const OTHERS_WAIT_MS = 10_000;

/**
 * Runs work with an owner's connection to the maintenance database, under a lock on the tenant's database and role: nobody else
 * creates, copies, replaces or drops them meanwhile. Without the lock, a statement that outlives its process could create
 * something after its removal.
 * @param key the tenant's key
 * @throws {pg.DatabaseError} 55P03 if the lock was not released in time
 */
export function withPlacementLock<T>(
  server: PostgresServer,
  key: string,
  work: (admin: pg.Client) => Promise<T>,
): Promise<T> {
  return server.admin((admin) => withAdvisoryLock(admin, lockKind.placement, key, () => work(admin), OTHERS_WAIT_MS));
}
