import type pg from 'pg';
import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { AppError } from '../../lib/errors.ts';
import { tenantBusy } from '../../routing/resolve-tenant.ts';
import { notInBin } from '../../tenants/bin.ts';

/**
 * Reserves a tenant in the bin for a run.
 * @param client a connection to `auth`, in the transaction that creates the run
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_BUSY while another run brings it back, CONFLICT if it is not in the bin
 */
export async function reserve(client: pg.Client, tenant: string, run: string): Promise<void> {
  const { rowCount } = await client.query(
    // The other run may have been created after this statement's snapshot; then it has not ended for this statement.
    `UPDATE tenants t SET undelete_run = $2 WHERE id = $1 AND status = 'DELETED' AND (undelete_run IS NULL
       OR EXISTS (SELECT FROM migration_runs r WHERE r.id = t.undelete_run AND r.ended_at IS NOT NULL))`,
    [tenant, run],
  );
  if (rowCount === 1) return;
  const { rows } = await client.query<Pick<Tenant, 'slug' | 'status'>>(
    'SELECT slug, status FROM tenants WHERE id = $1',
    [tenant],
  );
  const [row] = rows;
  if (!row) throw new AppError('TENANT_NOT_FOUND', 'The tenant has been removed for good');
  throw row.status === 'DELETED' ? tenantBusy(row.slug) : notInBin(row);
}
