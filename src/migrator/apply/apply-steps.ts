import type pg from 'pg';
import { elapsedSince } from '../../lib/time.ts';
import { readKeyedTable } from '../backfill/table.ts';
import {
  historyTable,
  insertHistorySql,
  isChangedHistory,
  type NewRecord,
  revertHistorySql,
  startClockSql,
} from '../files/history.ts';
import { type Direction, isBackfill, type MigrationFile } from '../files/migration-file.ts';
import type { SourceStatement } from '../files/source-statements.ts';
import { appliedAfter, type MigrateOptions, MigrationFailedError, recordOf } from './batch.ts';
import { executeStep } from './execute.ts';
import { inMigrationSpan, recordMigrationSpan } from './migration-span.ts';
import { type OwnStatements, type Row, recordStatements, type Sendable, sendInOrder } from './send-statements.ts';
import { aroundSavepoints, endOfStep, type Next } from './session.ts';

/** How {@link applySteps} carries out steps. */
interface StepsOptions {
  readonly inParts?: boolean;
  /** What follows the last step in the same transaction. COMMIT and ROLLBACK are sent with it. */
  readonly next?: Next;
  /** The number of migrations applied before the first step; if undefined, it is not checked after each. */
  readonly applied?: number;
}

/**
 * Carries out steps in the open transaction and records them there. Adjacent steps whose statements are known are sent
 * without waiting for each other, so that they take one round trip together.
 * @throws {MigrationFailedError} naming the step and the statement that failed
 */
export async function applySteps(
  client: pg.Client,
  steps: readonly MigrationFile[],
  options: MigrateOptions,
  { inParts = false, next = 'OTHER', applied }: StepsOptions = {},
): Promise<NewRecord[]> {
  const planned = steps.map((step, index) => {
    const before = applied === undefined ? undefined : appliedAfter(applied, index, options);
    return planStep(step, options, index === steps.length - 1 ? next : 'STEP', before);
  });
  const records: NewRecord[] = [];
  for (const group of groupsOf(planned)) {
    const [first] = group;
    if (first?.asksFirst) records.push(await applyByItself(client, first, options, inParts));
    else records.push(...(await applyTogether(client, group, options, inParts)));
  }
  return records;
}

/** A step, and the statements of ours around its own. */
interface PlannedStep extends Required<OwnStatements> {
  readonly step: MigrationFile;
  readonly statements: readonly SourceStatement[];
  /** Whether more than its statements has to be sent, because they depend on what is in the database. */
  readonly asksFirst: boolean;
  /** The trailing statement that records it and returns its duration. */
  readonly record: string;
}

function planStep(step: MigrationFile, options: MigrateOptions, next: Next, applied: number | undefined): PlannedStep {
  const { schema, scope, down } = options;
  const direction = directionOf(options);
  const { check, cleanUp } = endOfStep(step, direction, options, next);
  const mustCheck = applied !== undefined && mayChangeHistory(step, direction);
  // At the time of recording, a reverted step is already marked as such, but an applied one has no row yet.
  const expected = mustCheck ? applied - (down ? 1 : 0) : undefined;
  const row = recordOf(step, statusOf(options), undefined, options);
  const record = `${insertHistorySql(schema, scope, [row], expected)} RETURNING duration_ms`;
  const { before, after } = aroundSavepoints(step, direction);
  return {
    step,
    statements: step.parsed[direction] ?? [],
    asksFirst: step.parsed[direction] === undefined || (isBackfill(step) && !down),
    record,
    leading: [startClockSql, ...before],
    trailing: [
      ...after,
      ...check,
      ...(down ? [revertHistorySql(schema, step.name)] : []),
      // Before the clean-up, which would stop the clock.
      record,
      ...cleanUp,
      ...(next === 'COMMIT' || next === 'ROLLBACK' ? [next] : []),
    ],
  };
}

/** Puts adjacent steps together, and each that asks first by itself. */
function groupsOf(planned: readonly PlannedStep[]): readonly (readonly PlannedStep[])[] {
  const groups: PlannedStep[][] = [];
  for (const each of planned) {
    const last = groups.at(-1);
    if (last && !each.asksFirst && !last.at(-1)?.asksFirst) last.push(each);
    else groups.push([each]);
  }
  return groups;
}

async function applyByItself(
  client: pg.Client,
  { step, leading, trailing, record }: PlannedStep,
  options: MigrateOptions,
  inParts: boolean,
): Promise<NewRecord> {
  const start = performance.now();
  const direction = directionOf(options);
  try {
    if (isBackfill(step) && !options.down) await readKeyedTable(client, options.schema, step.backfill);
    const rows = await inMigrationSpan(step, direction, () =>
      executeStep(client, step, direction, { leading, trailing }),
    );
    return recordOf(step, statusOf(options), durationOf(rows[trailing.indexOf(record)]), options);
  } catch (error) {
    throw failureOf(step, elapsedSince(start), error, inParts);
  }
}

async function applyTogether(
  client: pg.Client,
  group: readonly PlannedStep[],
  options: MigrateOptions,
  inParts: boolean,
): Promise<NewRecord[]> {
  let startMs = performance.now();
  const sent = await sendInOrder(client, group.flatMap(statementsOf));
  let from = 0;
  const records: NewRecord[] = [];
  for (const planned of group) {
    const { step, trailing, record } = planned;
    const all = statementsOf(planned);
    const to = from + all.length;
    const hasFailed = sent.endsMs.length < to;
    const endMs = sent.endsMs[to - 1] ?? performance.now();
    const error = hasFailed ? sent.error : undefined;
    const context = recordMigrationSpan(step, directionOf(options), { startMs, endMs }, error);
    recordStatements(client, all, startMs, { endsMs: sent.endsMs.slice(from, to), error }, context);
    try {
      if (hasFailed) throw error;
      const row = sent.rows[to - trailing.length + trailing.indexOf(record)];
      records.push(recordOf(step, statusOf(options), durationOf(row), options, endMs));
    } catch (cause) {
      throw failureOf(step, endMs - startMs, cause, inParts);
    }
    from = to;
    startMs = endMs;
  }
  return records;
}

/** What is sent for a step. The events of a run say when each one ended, so the answer must not wait for the next step's. */
function statementsOf({ leading, statements, trailing }: PlannedStep): readonly Sendable[] {
  const last = trailing.length - 1;
  return [...leading, ...statements, ...trailing.map((text, index) => (index === last ? { flushed: text } : text))];
}

function directionOf({ down }: MigrateOptions): Direction {
  return down ? 'down' : 'up';
}

function statusOf({ down }: MigrateOptions): 'REVERTED' | 'APPLIED' {
  return down ? 'REVERTED' : 'APPLIED';
}

/** Reads the duration that recording a step has returned. */
function durationOf(row: Row | undefined): number {
  const durationMs = Number(row?.[0] ?? Number.NaN);
  if (Number.isNaN(durationMs)) throw new Error('it prevented PostgreSQL from recording the migration');
  return durationMs;
}

function failureOf(step: MigrationFile, durationMs: number, error: unknown, inParts: boolean): MigrationFailedError {
  const cause = isChangedHistory(error) ? new Error(changesHistory, { cause: error }) : error;
  return new MigrationFailedError(step, durationMs, cause, inParts);
}

const changesHistory = `it changes ${historyTable}, the record of applied migrations`;

/**
 * Whether a step names the history or a schema to drop, or runs code that its text doesn't show. The check is skipped for
 * all others, because it costs a quarter of a millisecond on a new connection.
 */
function mayChangeHistory(step: MigrationFile, direction: Direction): boolean {
  const statements = step.parsed[direction];
  return (
    statements?.some(({ runsCode, words }) => runsCode || words.has(historyTable) || words.has('OBJECT_SCHEMA')) ?? true
  );
}
