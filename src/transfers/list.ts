import type { Catalog } from '../catalog/catalog.ts';
import { TenantTransfer } from '../catalog/entities/tenant-transfer.entity.ts';
import { tenantByReference } from '../catalog/find-tenants.ts';
import { isUuid } from '../lib/uuid.ts';
import { findUnclaimedTransfers } from './unclaimed.ts';

/** A transfer in a list. */
export interface ListedTransfer {
  readonly transfer: TenantTransfer;
  /** Whether it waits for a process. */
  readonly isUnclaimed: boolean;
}

/** The maximum number of transfers in a list that have not ended. */
const MAX_OPEN = 1_000;

/**
 * Lists transfers: those that have not ended, the oldest first, then the latest that have ended.
 * @param reference the id or slug of a tenant, which may be gone: only those that move, make or clone it
 * @param limit how many that have ended, which may be 0
 * @throws {AppError} TENANT_NOT_FOUND if neither the catalog nor a transfer knows such a tenant
 */
export async function listTransfers(
  catalog: Catalog,
  reference: string | undefined,
  limit: number,
): Promise<readonly ListedTransfer[]> {
  const em = catalog.fork();
  const where = reference === undefined ? {} : ofTenant(reference);
  const open = await em.find(
    TenantTransfer,
    { ...where, endedAt: null },
    { orderBy: { createdAt: 'asc', id: 'asc' }, limit: MAX_OPEN },
  );
  const newestFirst = { orderBy: { createdAt: 'desc', id: 'desc' }, limit } as const;
  const ended = limit === 0 ? [] : await em.find(TenantTransfer, { ...where, endedAt: { $ne: null } }, newestFirst);
  if (reference !== undefined && open.length + ended.length === 0) await tenantByReference(catalog, reference);
  const left = await findUnclaimedTransfers(
    catalog,
    open.map(({ id }) => id),
  );
  return [...open, ...ended].map((transfer) => ({ transfer, isUnclaimed: left.has(transfer.id) }));
}

function ofTenant(reference: string) {
  return isUuid(reference)
    ? { $or: [{ tenantId: reference }, { sourceId: reference }] }
    : { $or: [{ slug: reference }, { sourceSlug: reference }] };
}
