import type { Catalog } from '../catalog/catalog.ts';
import { deletedTenant } from '../catalog/deleted-tenant.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { findOpenWork, openTransferText } from '../catalog/open-work.ts';
import { takeStepSql, tenantSteps } from '../catalog/tenant-status.ts';
import { AppError } from '../lib/errors.ts';
import { tenantBusy } from '../routing/resolve-tenant.ts';
import { checkMayConnect } from '../servers/renew-roles.ts';
import type { ProvisioningOptions } from './options.ts';

/** What suspending a tenant needs. */
export type SuspendOptions = Pick<ProvisioningOptions, 'catalog' | 'servers' | 'log'>;

/**
 * Stops every process from serving a tenant until it is activated again, and ends its sessions, including those that bypass
 * this server. Runs still migrate the tenant. Idempotent.
 * @param reference the tenant's id or slug
 * @throws {AppError} TENANT_NOT_FOUND, TENANT_BUSY while the tenant is created or in maintenance, CONFLICT
 */
export async function suspendTenant({ catalog, servers, log }: SuspendOptions, reference: string): Promise<Tenant> {
  const tenant = await takeStep(catalog, reference, 'suspend');
  try {
    const { provisioner } = await servers.find(tenant.server);
    await provisioner.endSessions(tenant, () => checkMayConnect(catalog, tenant));
  } catch (err) {
    log.warn({ err, tenant: tenant.slug }, 'could not end the sessions of a suspended tenant; will try again');
  }
  return tenant;
}

/**
 * Lets a suspended tenant be served again. Idempotent.
 * @param reference the tenant's id or slug
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
  throw await refusalNow(catalog, tenant, reference);
}

/** As {@link statusRefusal}, but names the transfer that the tenant is in maintenance for. */
export async function refusalNow(
  catalog: Pick<Catalog, 'use'>,
  tenant: Pick<Tenant, 'id' | 'slug' | 'status'> | null,
  reference: string,
): Promise<AppError> {
  const refusal = statusRefusal(tenant, reference);
  if (!tenant || refusal.code !== 'TENANT_BUSY') return refusal;
  const { transfer } = await catalog.use((client) => findOpenWork(client, tenant.id));
  if (!transfer) return refusal;
  const details = { ...refusal.details, transfer: transfer.id };
  return new AppError(refusal.code, openTransferText(transfer, tenant.slug), { details });
}

/** The error if a tenant's status does not allow the change. */
export function statusRefusal(tenant: Pick<Tenant, 'slug' | 'status'> | null | undefined, reference: string): AppError {
  if (!tenant) return new AppError('TENANT_NOT_FOUND', `There is no tenant ${reference}`);
  switch (tenant.status) {
    case 'NEEDS_ATTENTION':
      return new AppError(
        'CONFLICT',
        `The tenant ${tenant.slug} needs attention and is not served. Fix it, then run \`tenantry tenant resolve ${tenant.slug}\` or the mutation resolveTenant.`,
      );
    case 'DELETED':
      return deletedTenant(tenant.slug);
    case 'DELETING':
      return new AppError('CONFLICT', `The tenant ${tenant.slug} is being removed for good`);
    default:
      return tenantBusy(tenant.slug);
  }
}
