import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { takenError, validHost, validName } from './names.ts';

/** What is to be changed of a tenant; what is undefined stays as it is. */
export interface TenantChanges {
  /** What people call it; 1 to 200 characters. */
  readonly name?: string | undefined;
  /** The host name by which it is found, unique; null: none. */
  readonly host?: string | null | undefined;
}

/**
 * Changes what a tenant is called, or the host by which every process finds it from now on. Its slug stays, for tokens hold it.
 * @param reference its id or slug
 * @throws {AppError} TENANT_NOT_FOUND, HOST_TAKEN, BAD_USER_INPUT
 */
export async function updateTenant(catalog: Catalog, reference: string, changes: TenantChanges): Promise<Tenant> {
  const { id } = await tenantByReference(catalog, reference);
  const columns = {
    ...(changes.name !== undefined && { name: validName(changes.name) }),
    ...(changes.host !== undefined && { host: changes.host === null ? null : validHost(changes.host) }),
  };
  if (Object.keys(columns).length === 0)
    throw badInput('input', 'Say what is to be changed: the name, the host or both');
  const em = catalog.fork();
  try {
    await em.nativeUpdate(Tenant, { id }, columns);
  } catch (error) {
    throw takenError(error, columns) ?? error;
  }
  const tenant = await em.findOne(Tenant, { id });
  if (!tenant) throw new AppError('TENANT_NOT_FOUND', `There is no tenant ${reference}`);
  return tenant;
}
