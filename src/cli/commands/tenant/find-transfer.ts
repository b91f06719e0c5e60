import type { Catalog } from '../../../catalog/catalog.ts';
import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import { TenantTransfer } from '../../../catalog/entities/tenant-transfer.entity.ts';
import { AppError } from '../../../lib/errors.ts';
import { isUuid } from '../../../lib/uuid.ts';
import { expandId, isIdPrefix } from '../../id-prefix.ts';

/** Which transfer of a tenant a command is about. */
export type Wanted = 'open' | 'resumable' | 'latest';

/** The help of an argument that names a transfer. */
export const transferArgument = (wanted: string) =>
  `the tenant's slug, for ${wanted}; or the transfer's id or a prefix of it`;

/**
 * Finds a transfer by its id, by a prefix of it, or by the slug of the tenant that it moves, makes or clones.
 * @param wanted of a tenant: the one that has not ended; otherwise the newest one, if a command may be about it
 * @throws {AppError} NOT_FOUND if there is none; CONFLICT if several could be meant
 */
export async function findTransfer(catalog: Catalog, reference: string, wanted: Wanted): Promise<string> {
  if (isUuid(reference)) return reference;
  const em = catalog.fork();
  const newestFirst = { orderBy: { createdAt: 'desc', id: 'desc' } } as const;
  // The tenant itself comes before its clones.
  for (const where of [{ slug: reference }, { sourceSlug: reference }]) {
    const open = await em.find(TenantTransfer, { ...where, endedAt: null }, { ...newestFirst, limit: 2 });
    const [found, other] = open;
    if (other) {
      throw new AppError(
        'CONFLICT',
        `Several transfers of ${reference} have not ended. Name one by its id; see tenantry tenant transfers ${reference}.`,
      );
    }
    if (found) return found.id;
    if (wanted === 'open') continue;
    const last = await em.findOne(TenantTransfer, where, newestFirst);
    if (last) return last.id;
  }
  if (isIdPrefix(reference)) return expandId(catalog, 'transfer', reference);
  if ((await em.count(Tenant, { slug: reference })) === 0) {
    throw new AppError(
      'NOT_FOUND',
      `There is no tenant ${reference}, and no transfer of one. tenantry tenant transfers lists all transfers.`,
    );
  }
  const which = wanted === 'open' ? 'that has not ended' : 'yet';
  throw new AppError(
    'NOT_FOUND',
    `There is no transfer of a tenant ${reference} ${which}. tenantry tenant transfers lists all transfers.`,
  );
}
