import type pg from 'pg';
import type { PostgresServer } from '../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../postgres/sql/advisory-lock.ts';

/** How long to wait for what a process that died, or whose connection broke, has left running on the server, in milliseconds. */
export const OTHERS_WAIT_MS = 10_000;

/**
 * Lends the owner's connection to the maintenance database while nobody else makes, copies, replaces or removes what a tenant
 * has on the server: its database and its role. A statement outlives the process that sent it: what is to be removed might
 * else come into being afterwards.
 * @param key the tenant's
 * @throws {pg.DatabaseError} 55P03 when somebody else has not come to an end in time
 */
export function withPlacementLock<T>(
  server: PostgresServer,
  key: string,
  work: (admin: pg.Client) => Promise<T>,
): Promise<T> {
  return server.admin((admin) => withAdvisoryLock(admin, lockKind.placement, key, () => work(admin), OTHERS_WAIT_MS));
}
