import type pg from 'pg';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { AppError } from '../../lib/errors.ts';
import { notInBin } from '../../tenants/bin.ts';

/**
 * Reserves a tenant in the bin for a run.
 * @param client a connection to `auth`, in the transaction that creates the run
 * @throws {AppError} TENANT_NOT_FOUND; CONFLICT while another run brings it back, or if it is not in the bin
 */
export async function reserve(
  client: pg.Client,
  { id, slug }: Pick<Tenant, 'id' | 'slug'>,
  run: string,
): Promise<void> {
  const { rowCount } = await client.query(
    // The other run may have been created after this statement's snapshot; then it has not ended for this statement.
    `UPDATE tenants t SET undelete_run = $2 WHERE id = $1 AND status = 'DELETED' AND (undelete_run IS NULL
       OR EXISTS (SELECT FROM migration_runs r WHERE r.id = t.undelete_run AND r.ended_at IS NOT NULL))`,
    [id, run],
  );
  if (rowCount === 1) return;
  const { rows } = await client.query<Pick<Tenant, 'status'>>('SELECT status FROM tenants WHERE id = $1', [id]);
  const [row] = rows;
  if (row?.status !== 'DELETED') throw notInBin({ slug, status: row?.status });
  throw new AppError('CONFLICT', `The tenant ${slug} is being brought back already. Wait for that.`);
}
