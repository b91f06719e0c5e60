import { AppError } from '../lib/errors.ts';
import type { Catalog } from './catalog.ts';
import { Tenant, type TenantStatus } from './entities/tenant.entity.ts';
import { deletedStatuses } from './tenant-status.ts';

/** How long after a maintenance connections may still break because of it. */
const AFTERMATH = '1 minute';

/** A tenant's current state in the catalog. */
export interface TenantNow {
  readonly status: TenantStatus;
  /** Whether its database is being copied or replaced, or was a moment ago. */
  readonly isMaintained: boolean;
}

/** Reads a tenant's state from the catalog, bypassing caches. Returns undefined if the tenant does not exist. */
export async function tenantNow(catalog: Catalog, tenantId: string): Promise<TenantNow | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<TenantNow>(
      `SELECT status, status = 'MAINTENANCE' OR coalesce(maintained_at > now() - interval '${AFTERMATH}', false) AS "isMaintained"
       FROM tenants WHERE id = $1`,
      [tenantId],
    ),
  );
  return rows[0];
}

/**
 * Checks that a tenant exists, and is neither in the bin nor being removed.
 * @throws {AppError} TENANT_NOT_FOUND
 */
export async function checkNotDeleted(catalog: Catalog, { id, slug }: Pick<Tenant, 'id' | 'slug'>): Promise<void> {
  const kept = await catalog.fork().count(Tenant, { id, status: { $nin: [...deletedStatuses] } });
  if (kept === 0) throw new AppError('TENANT_NOT_FOUND', `There is no tenant ${slug}`);
}
