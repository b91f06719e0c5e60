import type pg from 'pg';
import type { Catalog } from '../../catalog/catalog.ts';
import { takeStepSql, tenantSteps } from '../../catalog/tenant-status.ts';

const forget =
  'deleted_at = NULL, deleted_by = NULL, purge_at = NULL, status_before_deletion = NULL, undelete_run = NULL';

const isMigrated = `i.run_id = t.undelete_run AND i.tenant_id = t.id AND i.status IN ('SUCCEEDED', 'SKIPPED')`;

/**
 * Takes the tenant of a run that undeleteTenant has started out of the bin, if the run has migrated it. A tenant whose migration
 * failed stays there.
 * @param client a connection to `auth`, in the transaction that ends the run
 */
export async function bringBack(client: pg.Client, run: string): Promise<void> {
  const where = `t.undelete_run = $1 AND ${isMigrated}`;
  await client.query(takeStepSql(tenantSteps.undelete, { from: 'migration_run_items i', where, set: forget }), [run]);
}

/** Takes a tenant that needs attention out of the bin as it is: no run migrates such a tenant, and it is not served. */
export async function bringBackInNeed(client: pg.Client, tenant: string): Promise<boolean> {
  const where = `t.id = $1 AND t.status_before_deletion = 'NEEDS_ATTENTION'`;
  const { rowCount } = await client.query(takeStepSql(tenantSteps.undelete, { where, set: forget }), [tenant]);
  return rowCount === 1;
}

/**
 * Takes tenants out of the bin whose run has ended without that: a process of an earlier version, which knows no bin, has ended
 * it.
 */
export async function bringBackLate(catalog: Catalog): Promise<void> {
  const where = `${isMigrated} AND r.id = t.undelete_run AND r.ended_at IS NOT NULL`;
  const sql = takeStepSql(tenantSteps.undelete, {
    from: 'migration_run_items i, migration_runs r',
    where,
    set: forget,
  });
  await catalog.use((client) => client.query(sql));
}
