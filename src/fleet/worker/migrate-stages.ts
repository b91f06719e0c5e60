import type { MigrateOptions, MigrateOutcome } from '../../migrator/apply/batch.ts';
import { describeProgress } from '../../migrator/backfill/progress.ts';
import { type BackfillOptions, BackfillPausedError } from '../../migrator/backfill/run.ts';
import type { NewRecord } from '../../migrator/files/history.ts';
import { stepEvents } from './attempt-results.ts';
import type { RunItem } from './claim.ts';
import { migrateProtected, type ProtectedBatch } from './protect.ts';
import type { RunContext } from './run-context.ts';

/**
 * Migrates one tenant in stages: a batch with backfills is committed before and after each of them. Completed stages stay when a
 * later one fails, and are reported at once. Without a backfill there is one stage.
 * @param context `reported` receives the names of migrations that are reported
 * @throws {BackfillPausedError} if the run or this process is stopping; and see `migrateProtected`
 */
export async function migrateInStages(
  context: RunContext & { readonly reported: Set<string> },
  { position, tenantId, claim }: RunItem,
  batch: Omit<ProtectedBatch, 'backfill'>,
  options: MigrateOptions,
): Promise<MigrateOutcome> {
  const { reported, shouldPause } = context;
  const item = { position, tenantId, claim };
  const backfill: BackfillOptions = {
    batchMs: context.backfillBatchMs,
    shouldPause,
    report: ({ name: migration }, progress) => {
      const message = describeProgress(progress);
      const event = { kind: 'BACKFILL_PROGRESS', tenantId, migration, message, backfill: progress } as const;
      context.report({ ...item, applied: [...reported], records: [], events: [event] });
    },
  };
  const records: NewRecord[] = [];
  const warnings = new Set<string>();
  for (;;) {
    const stage = await migrateProtected({ ...batch, backfill }, options);
    for (const warning of stage.warnings) warnings.add(warning);
    records.push(...stage.records);
    if (!stage.hasMore) return { ...stage, records, warnings: [...warnings] };
    const { applied, observedAt } = stage;
    for (const { name } of stage.records) reported.add(name);
    const events = stepEvents(tenantId, 'MIGRATION_APPLIED', 'applied', stage.records);
    context.report({ ...item, applied: [...reported], records: stage.records, state: { applied, observedAt }, events });
    const last = stage.records.at(-1);
    if (last && shouldPause()) throw new BackfillPausedError(last.name);
  }
}
