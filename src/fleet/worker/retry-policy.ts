import { AppError } from '../../lib/errors.ts';
import { MigrationFailedError } from '../../migrator/apply/batch.ts';
import { isConnectionFailure, isRefusedDatabase, isTransient } from '../../postgres/sql/error-codes.ts';

/** How often a tenant is tried after errors that may pass. */
const MAX_TRIES = 3;
/** How often a tenant is tried while its database cannot be reached. */
export const MAX_TRIES_UNREACHABLE = 6;

/** Whether a tenant is to be tried again after an error; `attempts` is how often it has been tried. */
export function isRetryable(error: unknown, attempts: number): boolean {
  if (error instanceof AppError) {
    return (error.code === 'SERVER_BUSY' || error.code === 'TENANT_BUSY') && attempts < MAX_TRIES_UNREACHABLE;
  }
  if (!(error instanceof MigrationFailedError) && isRefusedDatabase(error)) return attempts < MAX_TRIES_UNREACHABLE;
  if (isConnectionFailure(error)) return attempts < MAX_TRIES_UNREACHABLE;
  return isTransient(error) && attempts < MAX_TRIES;
}

/** Somebody copies or replaces the tenant's database, which takes as long as it takes. */
export class InMaintenanceError extends Error {
  constructor() {
    super('its database is being copied or replaced, or another run migrates it');
  }
}

/** The processes that worked on a tenant died again and again. */
export class PoisonTenantError extends Error {
  constructor(attempts: number) {
    super(
      `It was tried ${attempts} times, and the process that worked on it died again and again. Its migration may be why: look at what ended them, mend it, and resume the run.`,
    );
  }
}
