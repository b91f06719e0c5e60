import { AppError, messageOf } from '../../lib/errors.ts';
import { recordFailure } from '../../migrator/apply/apply.ts';
import { MigrationFailedError } from '../../migrator/apply/batch.ts';
import { RevertFailedError, revertPartial } from '../../migrator/apply/revert-partial.ts';
import type { NewRecord } from '../../migrator/files/history.ts';
import { type Ended, revertEvents } from './attempt-results.ts';
import type { RunItem } from './claim.ts';
import { migrateOptions } from './migrate-options.ts';
import type { RunContext } from './run-context.ts';

/**
 * Ends the migration of a tenant after an error. `retry-policy.ts` has decided that no other attempt follows.
 *
 * - A batch in one transaction has been rolled back, and a snapshot has replaced the database (`protect.ts`). What was
 *   committed in parts is reverted here, step by step. A tenant that cannot be reverted needs attention.
 * - Stages before a backfill that are complete, and the rows that a backfill has changed, stay.
 * - The item of the run is FAILED. The run goes on with other tenants, or stops: see `runs/settle.ts`.
 * - `resumeRun` tries the tenant again (`runs/control.ts`).
 */
export async function failTenant(context: RunContext, item: RunItem, error: unknown): Promise<Ended> {
  const { tenantId } = item;
  const { dryRun, separateTransactions = false } = context.options;
  const failed = error instanceof MigrationFailedError ? error : undefined;
  // A snapshot has replaced the database, unless each migration was committed by itself.
  const isUnchanged = dryRun || (item.isolation === 'DATABASE' && !separateTransactions);
  const { records, problem } = isUnchanged ? unchanged : await revertBatch(context, item, error);
  const reason = error instanceof AppError ? `${error.code}: ${error.message}` : messageOf(error);
  const message =
    problem === undefined
      ? reason
      : `${reason}. The tenant needs attention and is not served: ${problem}. Fix it, then run \`tenantry tenant resolve SLUG\`.`;
  context.log.warn(
    { err: error, run: context.run, tenant: tenantId, problem },
    problem === undefined ? 'could not migrate a tenant' : 'could not migrate a tenant, nor revert it',
  );
  return {
    status: 'FAILED',
    error: message,
    needsAttention: problem !== undefined || item.needsAttention,
    applied: [],
    records: failed && !dryRun ? [...records, ...(await record(context, item, failed))] : records,
    events: [
      ...revertEvents(context, item, records, 'because a later one failed'),
      { kind: 'TENANT_FAILED', tenantId, message, migration: failed?.migration.name },
    ],
  };
}

const unchanged: { readonly records: readonly NewRecord[]; readonly problem?: string } = { records: [] };

/** Reverts what a batch in parts has done. A batch in one transaction has left nothing to revert. */
async function revertBatch(context: RunContext, item: RunItem, cause: unknown): Promise<typeof unchanged> {
  const failed = cause instanceof MigrationFailedError ? cause : undefined;
  try {
    if (cause instanceof RevertFailedError) throw cause;
    const options = migrateOptions(context, item);
    const records = await context.connect(item, (client) => revertPartial(client, context.run, failed, options));
    return { records: records ?? [] };
  } catch (error) {
    if (failed?.inParts || error instanceof RevertFailedError) return { records: [], problem: messageOf(error) };
    context.log.warn({ err: error, run: context.run, tenant: item.tenantId }, "could not read a tenant's history");
    return unchanged;
  }
}

async function record(context: RunContext, item: RunItem, failed: MigrationFailedError): Promise<NewRecord[]> {
  try {
    const options = migrateOptions(context, item);
    return [await context.connect(item, (client) => recordFailure(client, failed, options))];
  } catch (err) {
    context.log.error(
      { err, run: context.run, tenant: item.tenantId },
      "could not record a failed attempt in the tenant's history",
    );
    return [];
  }
}
