import { AppError } from '../../lib/errors.ts';
import { MigrationFailedError } from '../../migrator/apply/batch.ts';
import { isConnectionFailure, isRefusedDatabase, isTransient } from '../../postgres/sql/error-codes.ts';

/** The maximum number of attempts after retryable errors. */
const MAX_TRIES = 3;
/** The maximum number of attempts while the database is unreachable. */
export const MAX_TRIES_UNREACHABLE = 6;

/** Whether to retry a tenant after an error. `attempts` is the number of attempts so far. */
export function isRetryable(error: unknown, attempts: number): boolean {
  if (error instanceof AppError) {
    return (error.code === 'SERVER_BUSY' || error.code === 'TENANT_BUSY') && attempts < MAX_TRIES_UNREACHABLE;
  }
  if (!(error instanceof MigrationFailedError) && isRefusedDatabase(error)) return attempts < MAX_TRIES_UNREACHABLE;
  if (isConnectionFailure(error)) return attempts < MAX_TRIES_UNREACHABLE;
  return isTransient(error) && attempts < MAX_TRIES;
}

/** The tenant's database is being copied or replaced. Waiting for that has no limit. */
export class InMaintenanceError extends Error {
  constructor() {
    super('its database is being copied or replaced, or another run migrates it');
  }
}

/** The processes that worked on a tenant died repeatedly. */
export class PoisonTenantError extends Error {
  constructor(attempts: number) {
    super(
      `It was tried ${attempts} times, and the process that worked on it died each time. Its migration may be the cause: find out what ended the processes, fix it, and resume the run.`,
    );
  }
}
