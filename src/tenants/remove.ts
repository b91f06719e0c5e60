import type pg from 'pg';
import { forgetCommonState } from '../catalog/common-states.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { dropCheckpointsOf } from '../checkpoints/checkpoints.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { ProvisioningOptions } from './options.ts';

/** Keeps a tenant from being taken for abandoned while this process works on it. */
export async function whileInProgress<T>(
  { inProgress }: ProvisioningOptions,
  id: string,
  work: () => Promise<T>,
): Promise<T> {
  inProgress.add(id);
  try {
    return await work();
  } finally {
    inProgress.delete(id);
  }
}

/**
 * Removes a tenant that never became active, or that is being deleted, with its checkpoints; its names are free again when
 * its place is proven gone. One that another process has taken over is left to it. It may be repeated.
 */
export async function discard(options: ProvisioningOptions, tenant: Tenant): Promise<void> {
  const { catalog, servers } = options;
  if (!(await catalog.use((client) => beginRemoval(client, options, tenant)))) return;
  const { provisioner } = await servers.find(tenant.server);
  await provisioner.remove(tenant);
  await dropCheckpointsOf(options, tenant.id);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await deleteRow(client, tenant);
      if (tenant.isolation === 'DATABASE') await forgetCommonState(client, tenant.server, tenant.database);
    }),
  );
}

/**
 * From here on nobody can call the tenant active. False if it is active already, or another process's. One that has no row
 * any more was removed by another process, and this one may have made its place again since.
 */
async function beginRemoval(client: pg.Client, { listener }: ProvisioningOptions, { id }: Tenant): Promise<boolean> {
  const { rowCount } = await client.query(
    `WITH marked AS (
       UPDATE tenants SET status = 'DELETING'
       WHERE id = $1 AND claimed_by = $2 AND status IN ('PROVISIONING', 'DELETING') RETURNING id)
     SELECT FROM marked UNION ALL SELECT WHERE NOT EXISTS (SELECT FROM tenants WHERE id = $1)`,
    [id, listener.instance],
  );
  return rowCount === 1;
}

/** What runs did to the tenant is kept, under the name that it had. */
async function deleteRow(client: pg.Client, { id, slug }: Tenant): Promise<void> {
  await client.query('UPDATE migration_run_items SET deleted_tenant = $2 WHERE tenant_id = $1', [id, slug]);
  await client.query('UPDATE migration_records SET deleted_tenant = $2 WHERE tenant_id = $1', [id, slug]);
  await client.query(`DELETE FROM tenants WHERE id = $1 AND status = 'DELETING'`, [id]);
}
