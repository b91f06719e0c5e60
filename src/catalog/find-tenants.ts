import type { FilterQuery } from '@mikro-orm/core';
import { AppError } from '../lib/errors.ts';
import { isUuid } from '../lib/uuid.ts';
import { containing } from '../orm/ilike.ts';
import type { Catalog } from './catalog.ts';
import { type Isolation, Tenant, type TenantStatus } from './entities/tenant.entity.ts';
import { deletedStatuses } from './tenant-status.ts';

/** Which tenants to list. */
export interface TenantFilter {
  readonly status?: TenantStatus | null | undefined;
  readonly isolation?: Isolation | null | undefined;
  readonly server?: string | null | undefined;
  /** Whether the tenant lacks a migration that the code has. */
  readonly behind?: boolean | null | undefined;
  /** A part of the slug, name or host, ignoring case. */
  readonly search?: string | null | undefined;
}

/** The ids of migration states. */
export interface StatesByProgress {
  readonly current: readonly string[];
  readonly behind: readonly string[];
}

/**
 * Finds a tenant in the catalog.
 * @param reference the tenant's id or slug
 * @throws {AppError} TENANT_NOT_FOUND
 */
export async function tenantByReference(catalog: Catalog, reference: string): Promise<Tenant> {
  const where = isUuid(reference) ? { id: reference } : { slug: reference };
  const tenant = await catalog.fork().findOne(Tenant, where);
  if (tenant) return tenant;
  throw new AppError('TENANT_NOT_FOUND', `There is no tenant ${reference}`);
}

/**
 * Converts the filter for MikroORM.
 * @param states ids of the migration states, with and without pending migrations
 */
export function tenantWhere(filter: TenantFilter, states: StatesByProgress): FilterQuery<Tenant> {
  const conditions: FilterQuery<Tenant>[] = [];
  if (filter.status) conditions.push({ status: filter.status });
  if (filter.isolation) conditions.push({ isolation: filter.isolation });
  if (filter.server) conditions.push({ server: filter.server });
  if (filter.behind === false) conditions.push({ migrationState: { $in: [...states.current] } });
  if (filter.behind) {
    // As in fleetStatus: one in the bin is brought forward when it is brought back.
    conditions.push({ status: { $nin: [...deletedStatuses] } });
    conditions.push({ $or: [{ migrationState: null }, { migrationState: { $in: [...states.behind] } }] });
  }
  if (filter.search) {
    const pattern = containing(filter.search);
    conditions.push({ $or: [{ slug: pattern }, { name: pattern }, { host: pattern }] });
  }
  return conditions.length > 0 ? { $and: conditions } : {};
}
