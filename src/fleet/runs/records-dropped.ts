import { AppError } from '../../lib/errors.ts';

/** The error for a run whose items are too old to be kept. */
export function recordsDropped(at: Date, what: 'undone' | 'resumed'): AppError {
  const instead =
    what === 'undone' ? 'rollbackMigrations or tenantry migrate down' : 'runMigrations or tenantry migrate up';
  return new AppError(
    'CONFLICT',
    `This run can no longer be ${what}: what it did to each tenant was deleted on ${at.toISOString().slice(0, 10)}, as RUN_ITEM_RETENTION_DAYS says. Use ${instead} instead.`,
  );
}
