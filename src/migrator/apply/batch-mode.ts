import type { CheckpointKind } from '../../catalog/entities/checkpoint.entity.ts';
import { AppError } from '../../lib/errors.ts';
import type { PlannedBatch } from './batch.ts';

/**
 * How a batch is carried out without a copy:
 *
 * - ONE_TRANSACTION: if a step fails, everything is rolled back.
 * - IN_PARTS: a step cannot run in a transaction, so earlier steps stay applied if it fails.
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

/** Decides how to carry out a planned batch. */
export function chooseMode(batch: PlannedBatch, options: { readonly dryRun?: boolean }): DirectMode;
/**
 * Decides how to carry out a tenant's batch. COPY_FIRST: copy the database, then carry out the batch as planned.
 * @throws {AppError} CONFLICT if the batch must be one transaction and cannot be
 */
export function chooseMode(
  batch: PlannedBatch,
  options: { readonly dryRun?: boolean },
  protection: Protection,
): DirectMode | 'COPY_FIRST';
export function chooseMode(
  { steps, alone }: PlannedBatch,
  { dryRun = false }: { readonly dryRun?: boolean },
  protection?: Protection,
): DirectMode | 'COPY_FIRST' {
  if (dryRun) return alone ? 'NOT_TRIED' : 'ONE_TRANSACTION';
  if (alone && protection?.checkpoint === 'TRANSACTION') throw notTransactional(alone.name);
  const wantsCopy = protection?.checkpoint === 'SNAPSHOT' ? steps.length > 0 : alone !== undefined;
  if (protection?.canCopy && wantsCopy) return 'COPY_FIRST';
  return alone ? 'IN_PARTS' : 'ONE_TRANSACTION';
}

function notTransactional(migration: string): AppError {
  return new AppError(
    'CONFLICT',
    `${migration} is not transactional, so its batch cannot be one transaction. Use the checkpoint SNAPSHOT, or omit the checkpoint.`,
  );
}
