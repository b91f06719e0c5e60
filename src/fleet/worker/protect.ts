import type pg from 'pg';
import { type CheckpointsOptions, insertCheckpoint, pruneCheckpoints } from '../../checkpoints/checkpoints.ts';
import { AppError } from '../../lib/errors.ts';
import { migrateAsPlanned, migrateUnlessCopyFirst } from '../../migrator/apply/apply.ts';
import { type MigrateOptions, type MigrateOutcome, merge, type PlannedBatch } from '../../migrator/apply/batch.ts';
import type { Protection } from '../../migrator/apply/batch-mode.ts';
import { type BackfillOptions, runBackfill } from '../../migrator/backfill/run.ts';
import type { RunItem } from './claim.ts';

/** The tenant whose batch is carried out, and the checkpoint to protect it with. */
export interface ProtectedBatch {
  readonly checkpoints: CheckpointsOptions;
  readonly tenant: RunItem;
  readonly checkpoint: Protection['checkpoint'];
  readonly connect: <T>(use: (client: pg.Client) => Promise<T>) => Promise<T>;
  readonly backfill: BackfillOptions;
}

/**
 * Migrates one tenant, protected by the checkpoint that its batch needs or that was asked for:
 *
 * - A batch whose steps are all transactional runs in one transaction, which is its checkpoint.
 * - Any other batch is preceded by a snapshot and applied while only the owner can connect to the database. If a step
 *   fails, the snapshot replaces the database. A tenant with its own schema has no snapshot and is served meanwhile;
 *   the caller reverts what was done. If SNAPSHOT was asked for, a snapshot is taken for every batch of a tenant with
 *   its own database, and kept as a checkpoint when the batch succeeds. Otherwise it is dropped.
 * - A backfill has no checkpoint, because its batches are committed one by one while the tenant is served.
 * @throws {AppError} CONFLICT if TRANSACTION was asked for but is not possible; TENANT_BUSY; and see `migrateDatabase`
 */
export async function migrateProtected(batch: ProtectedBatch, options: MigrateOptions): Promise<MigrateOutcome> {
  const { checkpoint, tenant, connect } = batch;
  const canCopy = tenant.isolation === 'DATABASE';
  const result = await connect((client) => migrateUnlessCopyFirst(client, options, { canCopy, checkpoint }));
  if (result.kind === 'copyFirst') return migrateWithSnapshot(batch, options, result.batch);
  if (result.kind === 'backfill') {
    const { before, observedAt } = result.batch;
    const without = `No snapshot is taken for ${result.step.name}, because it is a backfill and the tenant is served meanwhile`;
    const warnings = [...result.batch.warnings, ...(checkpoint === 'SNAPSHOT' ? [without] : [])];
    const done = await connect((client) => runBackfill(client, result.step, options, batch.backfill));
    const records = done ? [done] : [];
    // Another process may have changed the history since it was read, so the next stage reads it again.
    return { applied: merge(before, records), observedAt, records, warnings, hasMore: true };
  }
  const { outcome } = result;
  if (canCopy || checkpoint !== 'SNAPSHOT' || outcome.records.length === 0) return outcome;
  const warning = 'No snapshot was taken, because the tenant has a schema and not its own database';
  return { ...outcome, warnings: [...outcome.warnings, warning] };
}

/**
 * Another run's changes before the snapshot are part of it. Changes after it would be lost if it were restored, so the
 * batch is not applied then.
 */
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
  throw new AppError('TENANT_BUSY', 'Another run has migrated this tenant in the meantime. Try again.');
}
