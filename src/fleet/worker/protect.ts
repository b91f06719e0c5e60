import type pg from 'pg';
import { type CheckpointsOptions, insertCheckpoint, pruneCheckpoints } from '../../checkpoints/checkpoints.ts';
import { AppError } from '../../lib/errors.ts';
import { migrateAsPlanned, migrateUnlessCopyFirst } from '../../migrator/apply/apply.ts';
import type { MigrateOptions, MigrateOutcome, PlannedBatch } from '../../migrator/apply/batch.ts';
import type { Protection } from '../../migrator/apply/batch-mode.ts';
import type { RunItem } from './claim.ts';

/** Whose batch it is, and what it is to be able to go back to. */
export interface ProtectedBatch {
  readonly checkpoints: CheckpointsOptions;
  readonly tenant: RunItem;
  readonly checkpoint: Protection['checkpoint'];
  readonly connect: <T>(use: (client: pg.Client) => Promise<T>) => Promise<T>;
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
  const result = await connect((client) => migrateUnlessCopyFirst(client, options, { canCopy, checkpoint }));
  if (result.kind === 'copyFirst') return migrateWithSnapshot(batch, options, result.batch);
  const { outcome } = result;
  if (canCopy || checkpoint !== 'SNAPSHOT' || outcome.records.length === 0) return outcome;
  const warning = 'There is no snapshot, since the tenant has a schema and no database of its own';
  return { ...outcome, warnings: [...outcome.warnings, warning] };
}

/** What another run does in the moment before the snapshot is in it; what it did afterwards must not be lost with it. */
async function migrateWithSnapshot(
  { checkpoints, tenant, checkpoint, connect }: ProtectedBatch,
  options: MigrateOptions,
  planned: PlannedBatch,
): Promise<MigrateOutcome> {
  let outcome: MigrateOutcome | undefined;
  await checkpoints.maintenance.run(tenant.tenantId, undefined, async (maintained, size) => {
    outcome = await connect((client) => migrateAsPlanned(client, options, planned));
    const keep = outcome !== undefined && checkpoint === 'SNAPSHOT';
    const name = options.checkpoint ?? maintained.copy;
    return (client) => insertCheckpoint(client, maintained, { name, size, keep });
  });
  await pruneCheckpoints(checkpoints, tenant.tenantId);
  if (outcome) return outcome;
  throw new AppError('TENANT_BUSY', 'Another run has migrated this tenant meanwhile. Try again.');
}
