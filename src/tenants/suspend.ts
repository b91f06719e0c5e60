import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { tenantBusy } from '../routing/resolve-tenant.ts';
import type { ProvisioningOptions } from './options.ts';

/** What suspending a tenant needs. */
export type SuspendOptions = Pick<ProvisioningOptions, 'catalog' | 'servers' | 'log'>;

/**
 * Has a tenant served no more, by any process, until it is activated again, and ends its sessions, also those of somebody who
 * connects past this server. Migrations go over it all the same. One that is suspended stays so.
 * @param reference its id or slug
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_BUSY while it is created, or its database copied or replaced, CONFLICT
 */
export async function suspendTenant({ catalog, servers, log }: SuspendOptions, reference: string): Promise<Tenant> {
  const tenant = await takeStep(catalog, reference, 'suspend');
  try {
    const { provisioner } = await servers.find(tenant.server);
    await provisioner.endSessions(tenant);
  } catch (err) {
    log.warn({ err, tenant: tenant.slug }, 'the sessions of a suspended tenant could not be ended yet; trying again');
  }
  return tenant;
}

/**
 * Has a suspended tenant served again. One that is active stays so.
 * @param reference its id or slug
 * @throws {AppError} as {@link suspendTenant}
 */
export function activateTenant({ catalog }: Pick<SuspendOptions, 'catalog'>, reference: string): Promise<Tenant> {
  return takeStep(catalog, reference, 'activate');
}

async function takeStep(catalog: Catalog, reference: string, name: 'suspend' | 'activate'): Promise<Tenant> {
  const step = tenantSteps[name];
  const { id } = await tenantByReference(catalog, reference);
  await catalog.use((client) => client.query(takeStepSql(step, { where: 't.id = $1' }), [id]));
  const tenant = await catalog.fork().findOne(Tenant, { id });
  if (tenant?.status === step.to[0]) return tenant;
  throw refusalOf(tenant, reference);
}

/** Why a tenant in some other status than these two cannot be changed now. */
export function refusalOf(tenant: Pick<Tenant, 'slug' | 'status'> | null | undefined, reference: string): AppError {
  if (!tenant) return new AppError('TENANT_NOT_FOUND', `There is no tenant ${reference}`);
  switch (tenant.status) {
    case 'NEEDS_ATTENTION':
      return new AppError(
        'CONFLICT',
        `The tenant ${tenant.slug} needs attention, and is not served. Mend it, and say resolveTenant, or tenantry tenant resolve, first.`,
      );
    case 'DELETING':
      return new AppError('CONFLICT', `The tenant ${tenant.slug} is being deleted`);
    default:
      return tenantBusy(tenant.slug);
  }
}
