import type pg from 'pg';

/** The kinds of advisory locks; their numbers are the first of the two keys, so that kinds never meet. */
export const lockKind = {
  /** In a tenant's database: its migrations. */
  migrate: 7001,
  /** In `auth`: one server at a time sets the system databases up. */
  setup: 7002,
  /** In `auth`: held by a process as long as it lives; the second key is the process's number. */
  alive: 7003,
  /** In the maintenance database: one process at a time builds the template. */
  template: 7004,
} as const;

/**
 * Does `work` while this session holds an advisory lock, and waits for whoever holds it now. Advisory locks are per
 * database; PostgreSQL drops them with the connection.
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export async function withAdvisoryLock<T>(
  client: pg.Client,
  kind: number,
  key: number,
  work: () => Promise<T>,
): Promise<T> {
  await client.query('SELECT pg_advisory_lock($1, $2)', [kind, key]);
  try {
    return await work();
  } finally {
    await client.query('SELECT pg_advisory_unlock($1, $2)', [kind, key]);
  }
}

/** A lock's second key for a name: 32 bits, as PostgreSQL's `hashtext` gives them; two names may share one and then wait. */
export function lockKeyOf(nameLiteral: string): string {
  return `hashtext(${nameLiteral})`;
}
