import type { Catalog } from '../catalog/catalog.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';

/** Whether a transfer has not ended, and no living process has claimed it although it may. */
export async function isTransferLeft(catalog: Catalog, id: string): Promise<boolean> {
  const { rows } = await catalog.use((client) =>
    client.query(
      `SELECT FROM tenant_transfers WHERE id = $1 AND ended_at IS NULL AND NOT ${isAliveSql('claimed_by')}
         AND coalesce(not_before, created_at) < now() - interval '2 seconds'`,
      [id],
    ),
  );
  return rows.length > 0;
}
