import type pg from 'pg';
import { forgetCommonState } from '../catalog/common-states.ts';
import type { Tenant } from '../catalog/entities/tenant.entity.ts';
import { statusSql } from '../catalog/steps.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { dropCheckpointsOf } from '../checkpoints/checkpoints.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import type { ProvisioningOptions } from './options.ts';

/**
 * Removes a tenant that never became active or is being deleted, with its checkpoints and what modules keep of it. Its slug
 * and host become available when its database or schema is dropped. Does nothing if another process has taken over the
 * tenant. Idempotent.
 */
export async function discard(options: ProvisioningOptions, tenant: Tenant): Promise<void> {
  const { catalog, servers } = options;
  if (!(await catalog.use((client) => beginRemoval(client, options, tenant)))) return;
  const { provisioner } = await servers.find(tenant.server);
  await provisioner.remove(tenant);
  await dropCheckpointsOf(options, tenant.id);
  // Before the row is deleted, so that it is tried again after a failure or a crash.
  for (const files of await options.files()) await files.removeAll(tenant.id);
  await catalog.use((client) =>
    inTransaction(client, async () => {
      await deleteRow(client, tenant);
      if (tenant.isolation === 'DATABASE') await forgetCommonState(client, tenant.server, tenant.database);
    }),
  );
}

/**
 * Makes sure that nobody can activate the tenant from now on. Returns false if it is active or belongs to another process. If
 * the row is gone, another process has removed the tenant, but this one may have created its database again since.
 */
async function beginRemoval(client: pg.Client, { listener }: ProvisioningOptions, { id }: Tenant): Promise<boolean> {
  const { rowCount } = await client.query(
    `WITH marked AS (
       ${takeStepSql(tenantSteps.discard, { where: 't.id = $1 AND t.claimed_by = $2' })} RETURNING id)
     SELECT FROM marked UNION ALL SELECT WHERE NOT EXISTS (SELECT FROM tenants WHERE id = $1)`,
    [id, listener.instance],
  );
  return rowCount === 1;
}

/** Keeps the history of runs under the tenant's slug. */
async function deleteRow(client: pg.Client, { id, slug }: Tenant): Promise<void> {
  await client.query('UPDATE migration_run_items SET deleted_tenant = $2 WHERE tenant_id = $1', [id, slug]);
  await client.query('UPDATE migration_records SET deleted_tenant = $2 WHERE tenant_id = $1', [id, slug]);
  await client.query(`DELETE FROM tenants WHERE id = $1 AND ${statusSql(tenantSteps.remove.from)}`, [id]);
}
