import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { explainTaken } from './bin.ts';
import { validHost, validName } from './names.ts';

/** Changes of a tenant. Undefined fields stay unchanged. */
export interface TenantChanges {
  /** The display name, 1 to 200 characters. */
  readonly name?: string | undefined;
  /** The host name whose requests belong to the tenant; unique; null for none. */
  readonly host?: string | null | undefined;
}

/**
 * Changes a tenant's display name or host, in every process. The slug cannot change because tokens contain it.
 * @param reference the tenant's id or slug
 * @throws {AppError} TENANT_NOT_FOUND, HOST_TAKEN, BAD_USER_INPUT
 */
export async function updateTenant(catalog: Catalog, reference: string, changes: TenantChanges): Promise<Tenant> {
  const { id } = await tenantByReference(catalog, reference);
  const columns = {
    ...(changes.name !== undefined && { name: validName(changes.name) }),
    ...(changes.host !== undefined && { host: changes.host === null ? null : validHost(changes.host) }),
  };
  if (Object.keys(columns).length === 0) throw badInput('input', 'Nothing to change: set the name, the host or both');
  const em = catalog.fork();
  try {
    await em.nativeUpdate(Tenant, { id }, columns);
  } catch (error) {
    throw (await explainTaken(catalog, error, columns, true)) ?? error;
  }
  const tenant = await em.findOne(Tenant, { id });
  if (!tenant) throw new AppError('TENANT_NOT_FOUND', `There is no tenant ${reference}`);
  return tenant;
}
