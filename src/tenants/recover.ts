import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { statusSql } from '../catalog/steps.ts';
import { unfinishedStatuses } from '../catalog/tenant-status.ts';
import { isAliveSql } from '../postgres/sql/advisory-lock.ts';
import { finish } from './create.ts';
import type { ProvisioningOptions } from './options.ts';
import { discard } from './remove.ts';

/**
 * Finishes tenants whose creation was cut short, and removes those that cannot be finished or were being deleted. Such a
 * tenant is one that a dead process worked on, which is one whose advisory lock nobody holds, or this process, if it could not
 * remove the tenant then.
 */
export async function recoverTenants(options: ProvisioningOptions): Promise<void> {
  const seen: string[] = [];
  for (let id = await claimAbandoned(options, seen); id; id = await claimAbandoned(options, seen)) {
    seen.push(id);
    // This process may have begun it when the look had been sent already, and PostgreSQL had not looked yet.
    if (!options.inProgress.has(id)) await recover(options, id);
  }
}

async function recover(options: ProvisioningOptions, id: string): Promise<void> {
  const { catalog, log } = options;
  using _working = options.inProgress.begin(id);
  const tenant = await catalog.fork().findOne(Tenant, { id });
  if (!tenant) return;
  try {
    if (tenant.status === 'PROVISIONING') {
      await finish(options, tenant);
      log.warn({ tenant: id }, 'the creation of a tenant had been cut short and is finished now');
      return;
    }
  } catch (err) {
    log.error({ err, tenant: id }, 'the creation of a tenant had been cut short and cannot be finished; removing it');
  }
  await discard(options, tenant).catch((err: unknown) =>
    log.error({ err, tenant: id }, 'a tenant that is to be gone cannot be removed now; trying again later'),
  );
}

/** One at a time, so that servers that look at once share the work. */
async function claimAbandoned(
  { catalog, listener, inProgress }: ProvisioningOptions,
  seen: readonly string[],
): Promise<string | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `UPDATE tenants SET claimed_by = $1
       WHERE id = (
         SELECT id FROM tenants
         WHERE ${statusSql(unfinishedStatuses)} AND id <> ALL ($2::uuid[])
           AND (claimed_by = $1 OR NOT ${isAliveSql('claimed_by')})
         ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [listener.instance, [...inProgress.ids(), ...seen]],
    ),
  );
  return rows[0]?.id;
}
