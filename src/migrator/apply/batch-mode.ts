import type { CheckpointKind } from '../../catalog/entities/checkpoint.entity.ts';
import { AppError } from '../../lib/errors.ts';
import type { PlannedBatch } from './batch.ts';

/**
 * How a batch is carried out without a copy:
 *
 * - ONE_TRANSACTION: nothing of it stays if a step fails.
 * - IN_PARTS: a step cannot run in a transaction, so that what comes before it stays if it fails.
 * - NOT_TRIED: a dry run of such a batch, which could not be rolled back.
 */
export type DirectMode = 'ONE_TRANSACTION' | 'IN_PARTS' | 'NOT_TRIED';

/** What a tenant's batch can go back to. */
export interface Protection {
  /** Whether the tenant has a database of its own, and no others with it. */
  readonly canCopy: boolean;
  /** What was asked for; undefined: what the batch needs. */
  readonly checkpoint: CheckpointKind | undefined;
}

/** Decides how a planned batch is carried out. */
export function chooseMode(batch: PlannedBatch, options: { readonly dryRun?: boolean }): DirectMode;
/**
 * The same for a tenant's batch. COPY_FIRST: the database is copied, and then the batch is carried out as it was planned.
 * @throws {AppError} CONFLICT if it has to be one transaction, and cannot be
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
    `${migration} is not transactional, so that its batch cannot be one transaction. Ask for the checkpoint SNAPSHOT, or for none in particular.`,
  );
}
