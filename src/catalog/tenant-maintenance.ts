import { AppError } from '../errors.ts';
import type { Catalog } from './catalog.ts';
import { Tenant } from './tenant.entity.ts';

/** How long after a maintenance connections may still be found broken by it. */
const AFTERMATH = '1 minute';

/** Whether a tenant's database is being copied or replaced, or was a moment ago. */
export async function isMaintained(catalog: Catalog, tenantId: string): Promise<boolean> {
  const { rows } = await catalog.use((client) =>
    client.query<{ maintained: boolean }>(
      `SELECT status = 'MAINTENANCE' OR coalesce(maintained_at > now() - interval '${AFTERMATH}', false) AS maintained
       FROM tenants WHERE id = $1`,
      [tenantId],
    ),
  );
  return rows[0]?.maintained ?? false;
}

/**
 * Makes sure that a tenant is there, and is not being deleted.
 * @throws {AppError} TENANT_NOT_FOUND
 */
export async function checkKept(catalog: Catalog, { id, slug }: Pick<Tenant, 'id' | 'slug'>): Promise<void> {
  const kept = await catalog.fork().count(Tenant, { id, status: { $ne: 'DELETING' } });
  if (kept === 0) throw new AppError('TENANT_NOT_FOUND', `There is no tenant ${slug}`);
}
