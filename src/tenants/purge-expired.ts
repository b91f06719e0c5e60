import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { checkRemoval, removalSql } from './delete.ts';
import { isUnavailable, onEachServer } from './each-server.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard } from './remove.ts';

/** Who removes tenants whose time in the bin is over, in the audit log. */
export const retentionActor = 'Tenantry (TENANT_RETENTION_DAYS)';

// A tenant that a run is bringing back is left alone. A run that started after the statement's snapshot has not ended in the
// snapshot, so its tenant is safe too.
const isExpired = `t.status = 'DELETED' AND t.purge_at <= now()
  AND (t.undelete_run IS NULL OR EXISTS (SELECT FROM migration_runs r WHERE r.id = t.undelete_run AND r.ended_at IS NOT NULL))`;

/**
 * Removes the tenants whose time in the bin is over, those of each server one after the other. Several processes share the work,
 * and if one dies, recoverTenants continues what it has begun. The time is that of the catalog's server.
 */
export async function purgeExpired(options: ProvisioningOptions): Promise<void> {
  const { rows } = await options.catalog.use((client) =>
    client.query<{ server: string }>(`SELECT DISTINCT server FROM tenants t WHERE ${isExpired}`),
  );
  const names = rows.map(({ server }) => server);
  await onEachServer(options, names, (server) => purgeOn(options, server));
}

async function purgeOn(options: ProvisioningOptions, server: string): Promise<void> {
  const { problems } = options;
  const seen: string[] = [];
  for (let id = await nextExpired(options, server, seen); id; id = await nextExpired(options, server, seen)) {
    seen.push(id);
    try {
      await purgeOne(options, id);
      problems.solved(`tenant ${id}`);
    } catch (err) {
      if (isUnavailable(err)) throw err;
      const message = 'could not remove a tenant whose time in the bin is over; will try again';
      problems.report(`tenant ${id}`, { err, tenant: id }, message);
    }
  }
}

async function nextExpired(
  { catalog }: ProvisioningOptions,
  server: string,
  seen: readonly string[],
): Promise<string | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `SELECT t.id FROM tenants t WHERE ${isExpired} AND t.server = $1 AND t.id <> ALL ($2::uuid[])
       ORDER BY t.purge_at, t.id LIMIT 1`,
      [server, seen],
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
