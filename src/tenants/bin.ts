import type { Catalog } from '../catalog/catalog.ts';
import { Tenant, type TenantStatus } from '../catalog/entities/tenant.entity.ts';
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
export async function mustBeInBin(catalog: Catalog, { id, slug }: Pick<Tenant, 'id' | 'slug'>): Promise<void> {
  const now = await catalog.fork().findOne(Tenant, { id });
  if (now?.status !== 'DELETED') throw notInBin({ slug, status: now?.status });
}

/**
 * The error for a tenant that is not in the bin.
 * @param status undefined if it does not exist any more
 */
export function notInBin({
  slug,
  status,
}: {
  readonly slug: string;
  readonly status: TenantStatus | undefined;
}): AppError {
  switch (status) {
    case undefined:
      return new AppError('TENANT_NOT_FOUND', `The tenant ${slug} has been removed for good`);
    case 'DELETING':
      return new AppError('CONFLICT', `The tenant ${slug} is being removed for good, so it cannot be brought back`);
    default:
      return new AppError('CONFLICT', `The tenant ${slug} is not deleted: it is ${status}`);
  }
}

/** The error for the removal of a tenant that is being brought back. */
export function comingBack(slug: string, run: string): AppError {
  return new AppError(
    'CONFLICT',
    `The tenant ${slug} is being brought back by the migration run ${run}. Wait for its end, then delete the tenant again.`,
    { details: { run } },
  );
}
