import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { checkRemoval, removalSql } from './delete.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard } from './remove.ts';

/** Who removes tenants whose time in the bin is over, in the audit log. */
export const retentionActor = 'Tenantry (TENANT_RETENTION_DAYS)';

// While a run brings it back, a tenant is left alone. A run that this statement's snapshot does not contain has not ended for it, so
// neither is a tenant lost whose run starts meanwhile.
const isExpired = `t.status = 'DELETED' AND t.purge_at <= now()
  AND (t.undelete_run IS NULL OR EXISTS (SELECT FROM migration_runs r WHERE r.id = t.undelete_run AND r.ended_at IS NOT NULL))`;

/**
 * Removes the tenants whose time in the bin is over. Several processes share the work, and if one dies, recoverTenants continues
 * what it has begun.
 */
export async function purgeExpired(options: ProvisioningOptions): Promise<void> {
  const seen: string[] = [];
  for (let id = await nextExpired(options, seen); id; id = await nextExpired(options, seen)) {
    seen.push(id);
    await purgeOne(options, id).catch((err: unknown) =>
      options.log.error({ err, tenant: id }, 'could not remove a tenant whose time in the bin is over; will try again'),
    );
  }
}

async function nextExpired({ catalog }: ProvisioningOptions, seen: readonly string[]): Promise<string | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `SELECT t.id FROM tenants t WHERE ${isExpired} AND t.id <> ALL ($1::uuid[]) ORDER BY t.purge_at, t.id LIMIT 1`,
      [seen],
    ),
  );
  return rows[0]?.id;
}

async function purgeOne(options: ProvisioningOptions, id: string): Promise<void> {
  const { catalog, listener, inProgress, log } = options;
  await checkRemoval(options, id);
  using _working = inProgress.begin(id);
  const where = `t.id = $1 AND ${isExpired}`;
  const set = `claimed_by = $2, ${removalSql('$3', '$4')}`;
  const { rowCount } = await catalog.use((client) =>
    client.query(takeStepSql(tenantSteps.purge, { where, set }), [id, listener.instance, retentionActor, null]),
  );
  if (rowCount === 0) return;
  const tenant = await catalog.fork().findOne(Tenant, { id });
  if (!tenant) return;
  await discard(options, tenant);
  log.info({ tenant: tenant.slug }, 'removed a tenant whose time in the bin was over');
}
