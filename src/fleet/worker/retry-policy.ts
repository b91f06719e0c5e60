import { AppError } from '../../lib/errors.ts';
import { MigrationFailedError } from '../../migrator/apply/batch.ts';
import {
  isCatalogRace,
  isConnectionFailure,
  isRefusedChange,
  isRefusedDatabase,
  isTransient,
  sqlState,
  sqlStateOf,
} from '../../postgres/sql/error-codes.ts';
import { CommonFailedError } from '../../servers/shared/common-line.ts';

/** The maximum number of attempts, if each ends in a retryable error. */
const MAX_TRIES = 3;
/** The maximum number of attempts while the database is unreachable, or others use what the migration needs. */
export const MAX_TRIES_UNREACHABLE = 6;

/** Whether to retry a tenant after an error. `attempts` is the number of attempts so far. */
export function isRetryable(error: unknown, attempts: number): boolean {
  if (error instanceof AppError) {
    return (error.code === 'SERVER_BUSY' || error.code === 'TENANT_BUSY') && attempts < MAX_TRIES_UNREACHABLE;
  }
  if (!isOfMigration(error) && isRefusedDatabase(error)) return attempts < MAX_TRIES_UNREACHABLE;
  if (isConnectionFailure(error) || isRefusedChange(error)) return attempts < MAX_TRIES_UNREACHABLE;
  // The session that uses the object may be the migration's own, and another's ends only by chance.
  if (isOfMigration(error) && sqlStateOf(error) === sqlState.objectInUse) return false;
  if (isContention(error)) return attempts < MAX_TRIES_UNREACHABLE;
  return isTransient(error) && attempts < MAX_TRIES;
}

/**
 * Whether sessions were in each other's way. All the tenants that a run migrates at once may fail like that, so that the
 * last of them needs more attempts.
 */
function isContention(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === sqlState.deadlockDetected || state === sqlState.outOfMemory || isCatalogRace(error);
}

function isOfMigration(error: unknown): boolean {
  return error instanceof MigrationFailedError || error instanceof CommonFailedError;
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
      `It was tried ${attempts} times, and the process that worked on it died or was stopped each time. Its migration may be the cause: find out what ended the processes, fix it, and resume the run.`,
    );
  }
}
