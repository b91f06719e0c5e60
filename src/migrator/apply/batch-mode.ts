import type { CheckpointKind } from '../../catalog/entities/checkpoint.entity.ts';
import { AppError } from '../../lib/errors.ts';
import { isBackfill } from '../files/migration-file.ts';
import type { MigrateOptions, PlannedBatch } from './batch.ts';

/**
 * How a batch is carried out without a copy:
 *
 * - ONE_TRANSACTION: if a step fails, everything is rolled back.
 * - IN_PARTS: a step cannot run in a transaction, or each is to have its own, so earlier steps stay applied if it fails.
 * - NOT_TRIED: a dry run of such a batch, which could not be rolled back.
 */
export type DirectMode = 'ONE_TRANSACTION' | 'IN_PARTS' | 'NOT_TRIED';

/** What protects a tenant's batch. */
export interface Protection {
  /** Whether the tenant has a database of its own. */
  readonly canCopy: boolean;
  /** The checkpoint that was asked for; if undefined, whatever the batch needs. */
  readonly checkpoint: CheckpointKind | undefined;
}

type Options = Pick<MigrateOptions, 'dryRun' | 'separateTransactions'>;

/** Decides how to carry out a planned batch. */
export function chooseMode(batch: PlannedBatch, options: Options): DirectMode;
/**
 * Decides how to carry out a tenant's batch. COPY_FIRST: copy the database, then carry out the batch as planned.
 * @throws {AppError} CONFLICT if the batch must be one transaction and cannot be
 */
export function chooseMode(batch: PlannedBatch, options: Options, protection: Protection): DirectMode | 'COPY_FIRST';
export function chooseMode(
  { steps, divided }: PlannedBatch,
  { dryRun = false, separateTransactions: isSeparate = false }: Options,
  protection?: Protection,
): DirectMode | 'COPY_FIRST' {
  if (dryRun) return divided ? 'NOT_TRIED' : 'ONE_TRANSACTION';
  if (divided && protection?.checkpoint === 'TRANSACTION') throw notOneTransaction(divided);
  const wantsCopy = protection?.checkpoint === 'SNAPSHOT' ? steps.length > 0 : divided !== undefined;
  if (protection?.canCopy && wantsCopy && !isSeparate) return 'COPY_FIRST';
  return divided ? 'IN_PARTS' : 'ONE_TRANSACTION';
}

/**
 * Refuses a batch that is carried out in stages although it was to be one transaction.
 * @throws {AppError} CONFLICT
 */
export function refuseStages({ steps, later }: PlannedBatch, { checkpoint }: Protection): void {
  const backfill = steps.find(isBackfill);
  if (checkpoint !== 'TRANSACTION' || (!backfill && later === 0)) return;
  throw notOneTransaction(`${backfill?.name ?? 'A later migration'} is a backfill, which is committed in batches`);
}

function notOneTransaction(reason: string): AppError {
  return new AppError(
    'CONFLICT',
    `${reason}, so the batch cannot be one transaction. Use the checkpoint SNAPSHOT, or omit the checkpoint.`,
  );
}
