import type { MigrateOptions } from '../../migrator/apply/batch.ts';
import type { RunItem } from './claim.ts';
import type { RunContext } from './run-context.ts';

/** How a run migrates a tenant. */
export function migrateOptions(context: RunContext, { schema, tenantId }: RunItem): MigrateOptions {
  const { run, checkpoint, options, files, lockTimeoutMs } = context;
  const takesTurn = context.colliding.has(tenantId);
  const { to, down, dryRun, separateTransactions } = options;
  return {
    scope: 'TENANT',
    schema,
    files,
    to,
    down,
    dryRun,
    separateTransactions,
    inStages: !dryRun && !down,
    run,
    checkpoint,
    lockTimeoutMs,
    takesTurn,
  };
}
