import { Tenant } from '../catalog/tenant.entity.ts';
import { lockKind } from '../postgres/advisory-lock.ts';
import { discard, finish, type ProvisioningOptions } from './create-tenant.ts';

/**
 * Finishes tenants whose creation a dead process left half done; where that fails, they are removed. A process is dead when
 * nobody holds its advisory lock.
 */
export async function recoverTenants(options: ProvisioningOptions): Promise<void> {
  for (const id of await claimAbandoned(options)) {
    const tenant = await options.catalog.fork().findOne(Tenant, { id });
    if (!tenant) continue;
    try {
      await finish(options, tenant);
      options.log.warn({ tenant: id }, 'the creation of a tenant had been cut short and is finished now');
    } catch (error) {
      options.log.error(
        { err: error, tenant: id },
        'the creation of a tenant had been cut short and cannot be finished; removing it',
      );
      await discardOrRelease(options, tenant);
    }
  }
}

async function discardOrRelease(options: ProvisioningOptions, tenant: Tenant): Promise<void> {
  try {
    await discard(options, tenant);
  } catch (error) {
    options.log.error(
      { err: error, tenant: tenant.id },
      'a half-created tenant cannot be removed now; trying again later',
    );
    await options.catalog.use((client) =>
      client.query('UPDATE tenants SET claimed_by = NULL WHERE id = $1', [tenant.id]),
    );
  }
}

async function claimAbandoned({ catalog, listener }: ProvisioningOptions): Promise<string[]> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `UPDATE tenants SET claimed_by = $1
       WHERE status = 'PROVISIONING' AND NOT EXISTS (
         SELECT FROM pg_locks
         WHERE locktype = 'advisory' AND classid = $2 AND objid = claimed_by AND objsubid = 2 AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
       RETURNING id`,
      [listener.instance, lockKind.alive],
    ),
  );
  return rows.map(({ id }) => id);
}
