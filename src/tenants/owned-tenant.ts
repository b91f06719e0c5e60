import type { Catalog } from '../catalog/catalog.ts';
import { Membership } from '../catalog/entities/membership.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { AppError } from '../lib/errors.ts';
import { servable } from '../routing/resolve-tenant.ts';

/**
 * Checks that a user may delete a tenant: the tenant is served, and the user has a membership as an owner. The role of a
 * token's claim is not enough for something that cannot be undone.
 * @param user the user's id; undefined for the bearer of a token who is not a user
 * @param reference the tenant's id or slug
 * @throws {AppError} TENANT_NOT_FOUND for those who are not members, FORBIDDEN for those who don't own it, TENANT_SUSPENDED,
 *   or TENANT_BUSY
 */
export async function mustBeOwned(catalog: Catalog, user: string | undefined, reference: string): Promise<void> {
  const tenant = await tenantByReference(catalog, reference);
  const membership = user === undefined ? null : await catalog.fork().findOne(Membership, { user, tenant: tenant.id });
  if (!membership) throw new AppError('TENANT_NOT_FOUND', `There is no tenant ${reference}`);
  if (membership.role !== 'OWNER')
    throw new AppError('FORBIDDEN', `Only an owner may delete the tenant ${tenant.slug}`);
  servable(tenant, reference);
}
