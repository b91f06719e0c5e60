import type pg from 'pg';
import type { CheckpointKind } from '../catalog/checkpoint.entity.ts';
import { AppError } from '../errors.ts';
import { type CheckpointsOptions, insertCheckpoint, pruneCheckpoints } from './checkpoints.ts';
import type { RunItem } from './claim-items.ts';
import { migrateDatabase } from './migrate-database.ts';
import type { MigrateOptions, MigrateOutcome, PlannedBatch } from './migration-batch.ts';

/** Whose batch it is, and what it is to be able to go back to. */
export interface ProtectedBatch {
  readonly checkpoints: CheckpointsOptions;
  readonly tenant: RunItem;
  /** Undefined: what the batch needs. */
  readonly checkpoint: CheckpointKind | undefined;
  readonly connect: <T>(use: (client: pg.Client) => Promise<T>) => Promise<T>;
}

/** Says that a batch must not begin before there is a snapshot. */
class SnapshotNeededError extends Error {
  override readonly name = 'SnapshotNeededError';
  readonly batch: PlannedBatch;

  constructor(batch: PlannedBatch) {
    super('This batch needs a snapshot');
    this.batch = batch;
  }
}

/**
 * Migrates one tenant with the checkpoint that its batch needs, or that was asked for:
 *
 * - A batch whose steps are all transactional is one transaction, and that is its checkpoint.
 * - A batch that is not is applied to a database that nobody but us can enter, after a snapshot, which takes the database's
 *   place when a step fails. A tenant with a schema of its own has no such copy, and is served meanwhile: the caller takes
 *   back what was done. When SNAPSHOT was asked for, it is taken for every batch of a tenant that has a database, and stays
 *   as a checkpoint when the batch has succeeded; else it is dropped.
 * @throws {AppError} CONFLICT if TRANSACTION was asked for and cannot be; TENANT_BUSY; and see `migrateDatabase`
 */
export async function migrateProtected(batch: ProtectedBatch, options: MigrateOptions): Promise<MigrateOutcome> {
  const { checkpoint, tenant, connect } = batch;
  const canCopy = tenant.isolation === 'DATABASE';
  const approve = (planned: PlannedBatch) => {
    if (checkpoint === 'TRANSACTION' && planned.alone) throw notTransactional(planned.alone.name);
    const wanted = checkpoint === 'SNAPSHOT' ? planned.steps.length > 0 : planned.alone !== undefined;
    if (canCopy && wanted) throw new SnapshotNeededError(planned);
  };
  try {
    const outcome = await connect((client) => migrateDatabase(client, { ...options, approve }));
    if (canCopy || checkpoint !== 'SNAPSHOT' || outcome.records.length === 0) return outcome;
    const warning = 'There is no snapshot, since the tenant has a schema and no database of its own';
    return { ...outcome, warnings: [...outcome.warnings, warning] };
  } catch (error) {
    if (!(error instanceof SnapshotNeededError)) throw error;
    return migrateWithSnapshot(batch, options, error.batch);
  }
}

/** What another run does in the moment before the snapshot is in it; what it did afterwards must not be lost with it. */
async function migrateWithSnapshot(
  { checkpoints, tenant, checkpoint, connect }: ProtectedBatch,
  options: MigrateOptions,
  { before }: PlannedBatch,
): Promise<MigrateOutcome> {
  const expected = fingerprint(before);
  const approve = (planned: PlannedBatch) => {
    if (fingerprint(planned.before) !== expected) throw new MigratedMeanwhileError();
  };
  let result: MigrateOutcome | undefined;
  let meanwhile: MigratedMeanwhileError | undefined;
  await checkpoints.maintenance.run(tenant.tenantId, undefined, async (maintained, size) => {
    result = await connect((client) => migrateDatabase(client, { ...options, approve })).catch((error: unknown) => {
      if (!(error instanceof MigratedMeanwhileError)) throw error;
      meanwhile = error;
      return undefined;
    });
    const keep = result !== undefined && checkpoint === 'SNAPSHOT';
    const name = options.checkpoint ?? maintained.copy;
    return (client) => insertCheckpoint(client, maintained, { name, size, keep });
  });
  await pruneCheckpoints(checkpoints, tenant.tenantId);
  if (meanwhile) throw meanwhile;
  if (!result) throw new Error('A batch ended without an outcome');
  return result;
}

class MigratedMeanwhileError extends AppError {
  constructor() {
    super('TENANT_BUSY', 'Another run has migrated this tenant meanwhile. Try again.');
  }
}

function fingerprint(before: PlannedBatch['before']): string {
  return before.map(({ name, hash }) => `${name} ${hash}`).join('\n');
}

function notTransactional(migration: string): AppError {
  return new AppError(
    'CONFLICT',
    `${migration} is not transactional, so that its batch cannot be one transaction. Ask for the checkpoint SNAPSHOT, or for none in particular.`,
  );
}
