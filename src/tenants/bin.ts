import type { Catalog } from '../catalog/catalog.ts';
import { Tenant, type TenantStatus } from '../catalog/entities/tenant.entity.ts';
import { AppError } from '../lib/errors.ts';
import { takenError } from './names.ts';

/** The error for a change of a tenant that is in the bin. */
export function inTheBin({ slug, purgeAt }: { readonly slug: string; readonly purgeAt: string | null }): AppError {
  return new AppError(
    'CONFLICT',
    `The tenant ${slug} has been deleted, and is removed for good at ${purgeAt}. ${waysOut(slug)}`,
    { details: { purgeAt } },
  );
}

/** What can be done with a tenant in the bin. */
function waysOut(slug: string): string {
  return `Bring it back with \`tenantry tenant undelete ${slug}\` or the mutation undeleteTenant, or remove it for good now with \`tenantry tenant delete ${slug} --purge\` or deleteTenant(purge: true).`;
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
  return taken && isForAdmin ? sayIfDeleted(catalog, taken, names) : taken;
}

/** Returns an error that says so, if a deleted tenant has the slug or host. Only platform admins may know. */
export async function sayIfDeleted(
  catalog: Catalog,
  taken: AppError,
  { slug, host }: Partial<Pick<Tenant, 'slug' | 'host'>>,
): Promise<AppError> {
  const { code } = taken;
  if (code !== 'SLUG_TAKEN' && code !== 'HOST_TAKEN') return taken;
  const [column, value] = code === 'SLUG_TAKEN' ? (['slug', slug] as const) : (['host', host] as const);
  const owner = await catalog.fork().findOne(Tenant, { [column]: value });
  return owner ? ofDeleted(taken, `${column} ${value}`, owner) : taken;
}

/**
 * The error if the tenant that has a slug or host is in the bin, and what can be done.
 * @param what such as `slug acme`
 */
export function ofDeleted(
  taken: AppError,
  what: string,
  { slug, status, purgeAt }: Pick<Tenant, 'slug' | 'status' | 'purgeAt'>,
): AppError {
  if (status !== 'DELETED') return taken;
  const until = purgeAt?.toISOString();
  return new AppError(
    taken.code,
    `The ${what} belongs to the deleted tenant ${slug} until ${until}. ${waysOut(slug)}`,
    { details: { ...taken.details, until } },
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
 * @param status undefined if it no longer exists
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
