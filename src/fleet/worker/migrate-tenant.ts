import type pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import { migrateDatabase, readApplied } from '../../migrator/apply/apply.ts';
import { isInterrupted } from '../../migrator/apply/partial-mark.ts';
import { revertPartial } from '../../migrator/apply/revert-partial.ts';
import { BackfillPausedError } from '../../migrator/backfill/run.ts';
import { type NewRecord, readDoneByRun } from '../../migrator/files/history.ts';
import { isBackfill } from '../../migrator/files/migration-file.ts';
import { planUp } from '../../migrator/files/plan.ts';
import { isCatalogRace } from '../../postgres/sql/error-codes.ts';
import {
  type Done,
  type Ended,
  paused,
  retry,
  returned,
  revertEvents,
  stepEvents,
  success,
  untouched,
  waiting,
} from './attempt-results.ts';
import type { RunItem } from './claim.ts';
import { migrateOptions } from './migrate-options.ts';
import { migrateInStages } from './migrate-stages.ts';
import { InMaintenanceError, isRetryable, MAX_TRIES_UNREACHABLE, PoisonTenantError } from './retry-policy.ts';
import { addReport } from './run-common.ts';
import type { RunContext } from './run-context.ts';
import { failTenant } from './tenant-failure.ts';
import type { CommonReport, ItemResult } from './write-results.ts';

/**
 * Makes one attempt at migrating a tenant up or down. It never throws. `tenant-failure.ts` says what happens after an error.
 * A tenant whose processes keep dying fails, because its migration may be what kills them.
 * @param signal interrupts the attempt: the tenant is released, and the next process that claims it finds out what was
 *   done
 */
export function migrateTenant(run: RunContext, item: RunItem, signal: AbortSignal): Promise<ItemResult> {
  // A tenant whose attempts end in errors fails earlier, so this many attempts means that its processes died or were stopped.
  const isPoison = item.begun && item.attempts >= MAX_TRIES_UNREACHABLE;
  return tryOnce(run, item, signal, async (context, start) => {
    if (!isPoison) return success(context, item, await attempt(context, item), start);
    const done = await findDone(context, item);
    if (done.wasInterrupted || done.all.length === 0 || hasStagesLeft(context, done)) {
      throw new PoisonTenantError(item.attempts);
    }
    return success(context, item, done, start);
  });
}

/**
 * Finds out what earlier, unrecorded attempts at a tenant have done, and starts nothing new. Used for a run that is
 * stopping. A partially applied batch is reverted. A tenant without any changes is released as if it had never been
 * tried. It never throws.
 */
export function inspectTenant(run: RunContext, item: RunItem, signal: AbortSignal): Promise<ItemResult> {
  return tryOnce(run, item, signal, async (context, start) => {
    const done = await findDone(context, item);
    const options = migrateOptions(context, item);
    const records = done.wasInterrupted
      ? await context.connect(item, (client) => revertPartial(client, context.run, undefined, options))
      : undefined;
    if (records)
      return { ...untouched, records, events: revertEvents(context, item, records, 'because its run was stopped') };
    if (!hasStagesLeft(context, done)) return done.all.length > 0 ? success(context, item, done, start) : untouched;
    const { applied, observedAt } = done;
    const fresh = done.all.filter(({ name }) => !context.reported.has(name));
    const events = stepEvents(item.tenantId, 'MIGRATION_APPLIED', 'applied', fresh);
    const names = fresh.map(({ name }) => name);
    return { ...untouched, applied: names, records: fresh, state: { applied, observedAt }, events };
  });
}

/** A batch with a backfill is not carried out as a whole, so some of it may be left. */
function hasStagesLeft({ files, options }: RunContext, { applied }: Pick<Done, 'applied'>): boolean {
  if (options.down || !files.some(isBackfill)) return false;
  const plan = planUp(files, applied, options.to);
  return plan.kind === 'steps' && plan.steps.length > 0;
}

/** The context of one attempt. */
interface Attempt extends RunContext {
  /** Called when it is known what the database has of `common`. */
  readonly reportCommon: (report: CommonReport) => void;
  /** The migrations that the run has reported for the tenant, in this attempt or before. */
  readonly reported: Set<string>;
}

async function tryOnce(
  run: RunContext,
  item: RunItem,
  signal: AbortSignal,
  work: (context: Attempt, start: number) => Promise<Ended>,
): Promise<ItemResult> {
  let report: CommonReport | undefined;
  const reported = new Set(item.applied);
  const context: Attempt = {
    ...run,
    reported,
    connect: (tenant, use) => run.connect(tenant, use, signal),
    reportCommon: (found) => {
      report = found;
    },
  };
  const complete = (ended: Ended) => {
    const withCommon = report ? addReport(item, ended, report) : ended;
    return { ...withCommon, applied: [...new Set([...reported, ...withCommon.applied])] };
  };
  const start = performance.now();
  const attempts = item.attempts + 1;
  const common = { position: item.position, tenantId: item.tenantId, claim: item.claim, attempts };
  try {
    return { ...common, ...complete(await work(context, start)), durationMs: elapsedSince(start) };
  } catch (error) {
    const putOff =
      error instanceof InMaintenanceError
        ? waiting(item, error)
        : error instanceof BackfillPausedError
          ? paused(item, error.migration)
          : undefined;
    if (putOff) return { ...common, ...complete(putOff), durationMs: elapsedSince(start) };
    if (isCatalogRace(error)) context.colliding.add(item.tenantId);
    const passes = signal.aborted || isRetryable(error, attempts);
    const ended = passes ? retry(item, attempts, error) : await failTenant(context, item, error);
    // The signal may also have aborted the revert, which is no reason to give up on the tenant.
    const final = signal.aborted ? returned(item, signal.reason) : ended;
    return { ...common, ...complete(final), durationMs: elapsedSince(start) };
  }
}

async function attempt(context: Attempt, item: RunItem): Promise<Done> {
  if (item.needsAttention) {
    throw new AppError(
      'CONFLICT',
      'The tenant needs attention. Fix it, run `tenantry tenant resolve SLUG`, then resume the run.',
    );
  }
  await endMaintenance(context, item);
  if (item.isMaintained && (await context.checkpoints.maintenance.isUnderWay(item))) throw new InMaintenanceError();
  const { checkpoint, dryRun } = context.options;
  const options = migrateOptions(context, item);
  const connect = afterCommon(context, item);
  const outcome = dryRun
    ? await context.connect(item, (client) =>
        migrateDatabase(client, { ...options, rehearse: (on) => context.common.rehearse(on, item) }),
      )
    : await migrateInStages(
        context,
        item,
        { checkpoints: context.checkpoints, tenant: item, checkpoint, connect },
        options,
      );
  // An earlier attempt may have committed this batch without being able to record it.
  const unsure = !dryRun && (item.attempts > 0 || outcome.records.length === 0);
  return { ...outcome, all: unsure ? await connect((client) => doneByRun(client, context, item)) : outcome.records };
}

/** Lends the tenant's connection. The first time, `common` is brought forward on it before. */
function afterCommon({ connect, common, reportCommon }: Attempt, item: RunItem) {
  let isDone = false;
  return <T>(use: (client: pg.Client) => Promise<T>) =>
    connect(item, async (client) => {
      const report = isDone ? undefined : await common.apply(client, item);
      isDone = true;
      if (report) reportCommon(report);
      return use(client);
    });
}

/** Finds out what this run has done to the tenant. */
async function findDone(context: RunContext, item: RunItem): Promise<Done & { readonly wasInterrupted: boolean }> {
  await endMaintenance(context, item);
  return context.connect(item, async (client) => {
    const found = await readApplied(client, migrateOptions(context, item));
    const all = await doneByRun(client, context, item);
    return {
      ...found,
      records: [],
      warnings: [],
      all,
      wasInterrupted: await isInterrupted(client, item.schema, context.run),
    };
  });
}

/** An earlier attempt may have died during a batch with a snapshot. Its changes are undone first. */
async function endMaintenance({ checkpoints }: RunContext, { isMaintained, tenantId }: RunItem): Promise<void> {
  if (isMaintained) await checkpoints.maintenance.recover(tenantId);
}

function doneByRun(client: pg.Client, { run, options }: RunContext, { schema }: RunItem): Promise<NewRecord[]> {
  return readDoneByRun(client, schema, run, options.down ? 'REVERTED' : 'APPLIED');
}
