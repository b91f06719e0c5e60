import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { takenError } from './names.ts';

/** The error for a change of a tenant that is in the bin. */
export function inTheBin({ slug, purgeAt }: { readonly slug: string; readonly purgeAt: string | null }): AppError {
  return new AppError(
    'CONFLICT',
    `The tenant ${slug} has been deleted, and is removed for good at ${purgeAt}. Bring it back with tenantry tenant undelete ${slug} or the mutation undeleteTenant, or remove it now with --purge or purge: true.`,
    { details: { purgeAt } },
  );
}

/**
 * Translates a violated unique constraint as {@link takenError} does. To platform admins it says if a deleted tenant has the
 * slug or host, and until when; for others, nothing distinguishes such a tenant from any other one.
 */
export async function explainTaken(
  catalog: Catalog,
  error: unknown,
  names: Partial<Pick<Tenant, 'slug' | 'host'>>,
  isForAdmin: boolean,
): Promise<AppError | undefined> {
  const taken = takenError(error, names);
  return taken && isForAdmin ? ((await takenByDeleted(catalog, taken, names)) ?? taken) : taken;
}

async function takenByDeleted(
  catalog: Catalog,
  { code, details }: AppError,
  { slug, host }: Partial<Pick<Tenant, 'slug' | 'host'>>,
): Promise<AppError | undefined> {
  const [column, value] = code === 'SLUG_TAKEN' ? ['slug', slug] : ['host', host];
  const { rows } = await catalog.use((client) =>
    client.query<{ slug: string; until: string }>(
      `SELECT slug, to_char(purge_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS until
       FROM tenants WHERE ${column} = $1 AND status = 'DELETED'`,
      [value],
    ),
  );
  const [owner] = rows;
  if (!owner) return undefined;
  return new AppError(
    code,
    `The ${column} ${value} belongs to the deleted tenant ${owner.slug} until ${owner.until}. Bring that tenant back with tenantry tenant undelete ${owner.slug}, or remove it now with tenantry tenant delete ${owner.slug} --purge.`,
    { details: { ...details, until: owner.until } },
  );
}

/**
 * Checks that a tenant is in the bin now.
 * @throws {AppError} TENANT_NOT_FOUND, CONFLICT
 */
export async function mustBeInBin(catalog: Catalog, id: string): Promise<void> {
  const now = await catalog.fork().findOne(Tenant, { id });
  if (!now) throw new AppError('TENANT_NOT_FOUND', 'The tenant has been removed for good');
  if (now.status !== 'DELETED') throw notInBin(now);
}

/** The error for a tenant that is not in the bin. */
export function notInBin({ slug, status }: Pick<Tenant, 'slug' | 'status'>): AppError {
  return status === 'DELETING'
    ? new AppError('CONFLICT', `The tenant ${slug} is being removed for good, so it cannot be brought back`)
    : new AppError('CONFLICT', `The tenant ${slug} is not deleted: it is ${status}`);
}
