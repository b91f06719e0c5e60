import { AppError } from '../lib/errors.ts';

/** The error for work on a tenant that is in the bin. */
export function deletedTenant(slug: string): AppError {
  return new AppError(
    'CONFLICT',
    `The tenant ${slug} has been deleted. Bring it back first, with \`tenantry tenant undelete ${slug}\` or the mutation undeleteTenant.`,
  );
}
