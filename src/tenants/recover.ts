import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { isBeingMadeSql } from '../catalog/open-work.ts';
import { statusSql } from '../catalog/steps.ts';
import { unfinishedStatuses } from '../catalog/tenant-status.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import { finish } from './create.ts';
import { isUnavailable, onEachServer } from './each-server.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard } from './remove.ts';

/**
 * Finishes tenants whose creation was interrupted, and removes those that cannot be finished or were being deleted. These are
 * the tenants of dead processes, whose liveness lock nobody holds, and those that this process failed to remove earlier.
 */
export async function recoverTenants(options: ProvisioningOptions): Promise<void> {
  const { rows } = await options.catalog.use((client) =>
    client.query<{ server: string }>(`SELECT DISTINCT server FROM tenants WHERE ${statusSql(unfinishedStatuses)}`),
  );
  const names = rows.map(({ server }) => server);
  await onEachServer(options, names, (server) => recoverOn(options, server));
}

async function recoverOn(options: ProvisioningOptions, server: string): Promise<void> {
  const seen: string[] = [];
  for (let id = await claimAbandoned(options, server, seen); id; id = await claimAbandoned(options, server, seen)) {
    seen.push(id);
    // This process may have started to create it after it sent the query and before PostgreSQL ran it.
    if (!options.inProgress.has(id)) await recover(options, id);
  }
}

async function recover(options: ProvisioningOptions, id: string): Promise<void> {
  const { catalog, problems, log } = options;
  using _working = options.inProgress.begin(id);
  const tenant = await catalog.fork().findOne(Tenant, { id });
  if (!tenant) return;
  try {
    if (tenant.status === 'PROVISIONING') {
      await finish(options, tenant);
      log.warn({ tenant: id }, 'finished the interrupted creation of a tenant');
      return;
    }
  } catch (err) {
    if (isUnavailable(err)) throw err;
    log.error({ err, tenant: id }, 'could not finish the interrupted creation of a tenant; removing it');
  }
  try {
    await discard(options, tenant);
    problems.solved(`tenant ${id}`);
  } catch (err) {
    if (isUnavailable(err)) throw err;
    problems.report(`tenant ${id}`, { err, tenant: id }, 'could not remove a tenant; will try again later');
  }
}

/** Claims one tenant at a time, so that servers share the work. */
async function claimAbandoned(
  { catalog, listener, inProgress }: ProvisioningOptions,
  server: string,
  seen: readonly string[],
): Promise<string | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `UPDATE tenants SET claimed_by = $1
       WHERE id = (
         SELECT id FROM tenants
         WHERE ${statusSql(unfinishedStatuses)} AND NOT ${isBeingMadeSql('tenants.id')} AND server = $3 AND id <> ALL ($2::uuid[])
           AND (claimed_by = $1 OR NOT ${isAliveSql('claimed_by')})
         ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [listener.instance, [...inProgress.ids(), ...seen], server],
    ),
  );
  return rows[0]?.id;
}
