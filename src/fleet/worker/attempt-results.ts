import { messageOf } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import type { MigrateOutcome } from '../../migrator/apply/batch.ts';
import type { NewRecord } from '../../migrator/files/history.ts';
import type { NewRunEvent } from '../events/append.ts';
import type { RunItem } from './claim.ts';
import type { InMaintenanceError } from './retry-policy.ts';
import type { RunContext } from './run-context.ts';
import type { ItemResult } from './write-results.ts';

/** The delay after the first attempt, in milliseconds. It doubles with each attempt. */
const FIRST_DELAY_MS = 300;
/** How often to check whether a tenant's database is still being copied or replaced, in milliseconds. */
const WAIT_MS = 1_000;

/** How an attempt ended: what is written to the run, without what identifies the tenant and the attempt. */
export type Ended = Omit<ItemResult, 'position' | 'tenantId' | 'claim' | 'attempts' | 'durationMs'> & {
  readonly attempts?: number;
};

/** What the attempts at a tenant have done. */
export interface Done extends MigrateOutcome {
  /** What this run has done to the tenant across all attempts. */
  readonly all: readonly NewRecord[];
}

/** The attempt, or what it left to do, was put off. The count of attempts starts again from 0. */
export function paused(item: RunItem, migration: string): Ended {
  return {
    ...untouched,
    events: [{ kind: 'BACKFILL_PROGRESS', tenantId: item.tenantId, migration, message: 'paused' }],
  };
}

/** The attempt changed nothing. The count of attempts starts again from 0. */
export const untouched: Ended = { status: 'PENDING', attempts: 0, applied: [], records: [], events: [] };

/**
 * The attempt succeeded, or there was nothing to do.
 * @param reported the migrations that are reported already
 */
export function success(
  { options, reported }: RunContext & { readonly reported: ReadonlySet<string> },
  { tenantId }: RunItem,
  { all, applied, observedAt, warnings, untried }: Done,
  start: number,
): Ended {
  const names = all.map(({ name }) => name);
  const fresh = all.filter(({ name }) => !reported.has(name));
  const status = names.length > 0 || reported.size > 0 ? 'SUCCEEDED' : 'SKIPPED';
  const kind = options.down ? 'MIGRATION_REVERTED' : 'MIGRATION_APPLIED';
  const did = options.dryRun ? 'tried and rolled back' : options.down ? 'reverted' : 'applied';
  const steps = stepEvents(tenantId, kind, did, fresh);
  const message = status === 'SKIPPED' ? 'nothing to do' : `done in ${Math.ceil(elapsedSince(start))} ms`;
  return {
    status,
    applied: names,
    records: options.dryRun ? [] : fresh,
    ...(!options.dryRun && { state: { applied, observedAt } }),
    ...(untried !== undefined && { error: untried }),
    events: [
      ...warnings.map((warning): NewRunEvent => ({ kind: 'TENANT_WARNING', tenantId, message: warning })),
      ...steps,
      { kind: `TENANT_${status}`, tenantId, message: untried ?? message },
    ],
  };
}

/** The events of migrations that were carried out. */
export function stepEvents(
  tenantId: string,
  kind: NewRunEvent['kind'],
  did: string,
  records: readonly NewRecord[],
): readonly NewRunEvent[] {
  return records.map(({ name, durationMs, endedAt }) => {
    return { kind, tenantId, migration: name, message: `${did} in ${Math.ceil(durationMs)} ms`, happenedAt: endedAt };
  });
}

/** The attempt failed, and another one follows after a delay. */
export function retry(item: RunItem, attempts: number, error: unknown): Ended {
  return { ...returned(item, error), delayMs: FIRST_DELAY_MS * 2 ** (attempts - 1) * (0.5 + Math.random()) };
}

/** The tenant was not tried. This is reported once, however long the wait takes. */
export function waiting(item: RunItem, error: InMaintenanceError): Ended {
  const ended = returned(item, error);
  return { ...ended, attempts: item.attempts, delayMs: WAIT_MS, events: item.begun ? [] : ended.events };
}

/** The tenant is released for another attempt. */
export function returned({ tenantId }: RunItem, error: unknown): Ended {
  return {
    status: 'PENDING',
    error: messageOf(error),
    applied: [],
    records: [],
    events: [{ kind: 'TENANT_RETRYING', tenantId, message: messageOf(error) }],
  };
}

/** The events of what a failed or stopped attempt has reverted. */
export function revertEvents(
  { options }: RunContext,
  { tenantId }: RunItem,
  records: readonly NewRecord[],
  message: string,
): NewRunEvent[] {
  const kind = options.down ? 'MIGRATION_APPLIED' : 'MIGRATION_REVERTED';
  return records.map(({ name, endedAt }) => ({ kind, tenantId, migration: name, message, happenedAt: endedAt }));
}
