import type pg from 'pg';

const pooled = new WeakSet<pg.Client>();

/** Marks a client that is connected to a pooler. */
export function markPooled(client: pg.Client): void {
  pooled.add(client);
}

/** Whether a client is connected to a pooler, which may give each of its transactions another session of PostgreSQL. */
export function isPooled(client: pg.Client): boolean {
  return pooled.has(client);
}
