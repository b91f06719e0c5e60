import type { Catalog } from '../catalog/catalog.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';

/**
 * Returns a condition for transfers that have not ended and that no live process has claimed, although they have been
 * allowed to begin for some time.
 * @param grace an interval of PostgreSQL
 */
export function isTransferUnclaimedSql(grace: string): string {
  return `ended_at IS NULL AND NOT ${isAliveSql('claimed_by')}
    AND coalesce(not_before, created_at) < now() - interval '${grace}'`;
}

/** SQL for the number of transfers in progress. */
export const transfersInWorkSql = `(
  SELECT count(*)::int FROM tenant_transfers WHERE ended_at IS NULL AND ${isAliveSql('claimed_by')})`;

/** How long a transfer may wait for a process before it is reported. */
const GRACE = '2 seconds';

/** What an unclaimed transfer waits for. */
export interface TransferWait {
  /** How many other transfers are in progress. Each process carries out a few at once. */
  readonly othersInWork: number;
}

/** Returns what a transfer waits for; undefined if it is in progress, may not begin yet, or has ended. */
export async function findTransferWait(catalog: Catalog, id: string): Promise<TransferWait | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<TransferWait>(
      `SELECT ${transfersInWorkSql} AS "othersInWork" FROM tenant_transfers WHERE id = $1 AND ${isTransferUnclaimedSql(GRACE)}`,
      [id],
    ),
  );
  return rows[0];
}

/** Returns which of some transfers wait for a process. */
export async function findUnclaimedTransfers(catalog: Catalog, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `SELECT id FROM tenant_transfers WHERE id = ANY ($1) AND ${isTransferUnclaimedSql(GRACE)}`,
      [ids],
    ),
  );
  return new Set(rows.map(({ id }) => id));
}
