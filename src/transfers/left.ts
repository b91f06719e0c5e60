import type { Catalog } from '../catalog/catalog.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';

/**
 * Returns a condition for transfers that have not ended and that no living process has claimed for some time although it may.
 * @param grace an interval of PostgreSQL
 */
export function isTransferLeftSql(grace: string): string {
  return `ended_at IS NULL AND NOT ${isAliveSql('claimed_by')}
    AND coalesce(not_before, created_at) < now() - interval '${grace}'`;
}

/** SQL for the number of transfers that processes work on. */
export const transfersInWorkSql = `(
  SELECT count(*)::int FROM tenant_transfers WHERE ended_at IS NULL AND ${isAliveSql('claimed_by')})`;

/** How long a transfer may wait for a process before that is worth saying. */
const GRACE = '2 seconds';

/** What a transfer waits for that no process works on. */
export interface TransferWait {
  /** How many other transfers processes work on. Each process carries out a few at once. */
  readonly othersInWork: number;
}

/** Returns what a transfer waits for; undefined if a process works on it, it may not be begun yet, or it has ended. */
export async function findTransferWait(catalog: Catalog, id: string): Promise<TransferWait | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<TransferWait>(
      `SELECT ${transfersInWorkSql} AS "othersInWork" FROM tenant_transfers WHERE id = $1 AND ${isTransferLeftSql(GRACE)}`,
      [id],
    ),
  );
  return rows[0];
}

/** Finds out which of some transfers no process works on. */
export async function findTransfersLeft(catalog: Catalog, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `SELECT id FROM tenant_transfers WHERE id = ANY ($1) AND ${isTransferLeftSql(GRACE)}`,
      [ids],
    ),
  );
  return new Set(rows.map(({ id }) => id));
}
