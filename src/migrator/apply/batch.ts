import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { DownTarget } from '../../catalog/entities/migration-run.entity.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import type { ObservedState } from '../../catalog/migration-states.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import {
  countReverted,
  type History,
  historyTable,
  insertHistorySql,
  isChangedHistory,
  type NewRecord,
  revertHistorySql,
} from '../files/history.ts';
import type { Direction, MigrationFile } from '../files/migration-files.ts';
import { type AppliedByRun, planDown, planUp } from '../files/plan.ts';
import { executeStep } from './execute.ts';

/** What to bring forward, and how far. */
export interface MigrateOptions {
  readonly scope: MigrationScope;
  /** Where the database's tables are, and its history. */
  readonly schema: string;
  readonly files: readonly MigrationFile[];
  /** The last migration to apply; without it the newest. */
  readonly to?: string | undefined;
  /** Take migrations back, instead of applying any. */
  readonly down?: DownTarget | undefined;
  /** Apply everything, then roll back. */
  readonly dryRun?: boolean;
  readonly run?: string;
  readonly checkpoint?: string;
  /** How long to wait for a table's lock, in milliseconds. */
  readonly lockTimeoutMs: number;
  /** Whether an earlier try at this batch may have been cut short anywhere. */
  readonly isRepeated?: boolean;
  /** SQL that comes first in the transaction, and makes the history: of a new tenant's schema, or an empty database. */
  readonly setupSql?: string;
}

/** What a batch did. */
export interface MigrateOutcome extends ObservedState {
  /** What the database has now, in the order of application. */
  readonly applied: readonly AppliedMigration[];
  /** What this batch did; in a dry run, what it would have done. */
  readonly records: readonly NewRecord[];
  readonly warnings: readonly string[];
  /** Why a dry run has tried nothing; undefined if it has. */
  readonly untried?: string;
}

/**
 * A migration that failed. The database is as it was before the batch, unless the batch was applied in parts: then the parts
 * before stay, and of a migration that is not transactional what it did until it failed.
 */
export class MigrationFailedError extends Error {
  override readonly name = 'MigrationFailedError';
  readonly migration: MigrationFile;
  readonly durationMs: number;
  readonly inParts: boolean;

  constructor(migration: MigrationFile, durationMs: number, cause: unknown, inParts: boolean) {
    super(`${migration.name} failed: ${messageOf(cause)}`, { cause });
    this.migration = migration;
    this.durationMs = durationMs;
    this.inParts = inParts;
  }
}

/** How long to wait for another process that migrates the same database, in milliseconds. */
export const OTHER_MIGRATION_MS = 60_000;

/** What is to be done to one database; planned under the lock of its migrations. */
export interface PlannedBatch {
  /** What it has. */
  readonly before: readonly AppliedByRun[];
  /** When that was looked at, by its server's clock. */
  readonly observedAt: ObservedState['observedAt'];
  readonly steps: readonly MigrationFile[];
  readonly warnings: readonly string[];
  /** The first step that no transaction can hold. */
  readonly alone: MigrationFile | undefined;
}

/**
 * The steps that a history asks for.
 * @throws {AppError} see `migrateDatabase`
 */
export function planBatch(history: History, options: MigrateOptions): PlannedBatch {
  const { files, to } = options;
  const { before, observedAt } = history;
  const down = leftToRevert(history, options);
  const plan = down ? planDown(files, before, down) : planUp(files, before, to);
  if (plan.kind === 'refusal') {
    throw new AppError(plan.code, plan.message, { details: { migration: plan.migration, ...plan.hashes } });
  }
  const { steps, warnings } = plan;
  return { before, observedAt, steps, warnings, alone: steps.find(({ transactional }) => !transactional) };
}

/** An earlier try, which could not tell of it, may have taken back some of the steps, or all: no others come in their place. */
function leftToRevert(history: Pick<History, 'recorded'>, { down, run }: MigrateOptions): DownTarget | undefined {
  if (down?.kind !== 'steps') return down;
  return { kind: 'steps', steps: Math.max(0, down.steps - countReverted(history, run)) };
}

/**
 * What an earlier migration may have left in the session, which the connection brings to the next database or schema: all
 * that DISCARD ALL undoes, which cannot be sent together with other statements.
 * @see https://www.postgresql.org/docs/current/sql-discard.html
 */
export const freshSessionSql = `
  CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all();
  DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES;`;

/** What each step starts with, whatever the one before it has set. */
export function stepSettingsSql({ schema, lockTimeoutMs }: MigrateOptions): string {
  return `SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL search_path = ${quoteIdentifier(schema)};`;
}

/**
 * Makes what is deferred fail now, where it can be told which step it was, and where a dry run meets it too. It is deferred
 * again afterwards, as each constraint has it.
 */
const checkDeferredSql = `
  SAVEPOINT deferred; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT deferred; RELEASE SAVEPOINT deferred;`;

/** How {@link applyStep} does a step. */
interface StepOptions {
  /** SQL that is sent along, such as `COMMIT`. */
  readonly trailingSql?: string;
  readonly inParts?: boolean;
  /** How many migrations are applied before it; undefined if that is not known, and so not looked at afterwards. */
  readonly applied?: number;
}

/** Does one step in the transaction that is open, and records it there. */
export async function applyStep(
  client: pg.Client,
  step: MigrationFile,
  options: MigrateOptions,
  { trailingSql = '', inParts = false, applied }: StepOptions = {},
): Promise<NewRecord> {
  const { schema, scope, down } = options;
  const start = performance.now();
  const status = down ? 'REVERTED' : 'APPLIED';
  const revert = down ? `${revertHistorySql(schema, step.name)};` : '';
  const mustCheck = applied !== undefined && mayChangeHistory(step, down ? 'down' : 'up');
  // When it is recorded, a step that is taken back counts as that already, and one that is applied not yet.
  const expected = mustCheck ? applied - (down ? 1 : 0) : undefined;
  const recordSql = (durationMs: number | undefined) => `
    ${checkDeferredSql} ${stepSettingsSql(options)} ${revert}
    ${insertHistorySql(schema, scope, [recordOf(step, status, durationMs, options)], expected)} RETURNING duration_ms AS "durationMs";`;
  try {
    const results = await executeStep(
      client,
      step,
      down ? 'down' : 'up',
      (duration) => `${recordSql(duration)} ${trailingSql}`,
    );
    const durationMs = results.findLast(({ command }) => command === 'INSERT')?.rows[0]?.durationMs;
    // As if a text that is never closed had swallowed it.
    if (durationMs === undefined) throw new Error('it kept PostgreSQL from recording that it was done');
    return recordOf(step, status, durationMs, options);
  } catch (error) {
    const cause = isChangedHistory(error) ? new Error(changesHistory, { cause: error }) : error;
    throw new MigrationFailedError(step, elapsedSince(start), cause, inParts);
  }
}

const changesHistory = `it changes ${historyTable}, which is to say what was applied`;

/**
 * Whether a step's text names the history, or runs what its text does not show. For all others PostgreSQL is spared looking,
 * which costs a new connection a quarter of a millisecond.
 */
function mayChangeHistory(step: MigrationFile, direction: Direction): boolean {
  const statements = direction === 'up' ? step.statements : step.downStatements;
  return statements?.some((text) => /\b(?:migration_history|do|call|execute|select)\b/i.test(text)) ?? true;
}

/** What the history says of a step that has been tried. */
export function recordOf<Duration extends number | undefined>(
  { name, hash }: MigrationFile,
  status: NewRecord['status'],
  durationMs: Duration,
  { run, checkpoint }: MigrateOptions,
): NewRecord<Duration> {
  return { name, hash, status, durationMs, endedAt: performance.now(), run, checkpoint };
}

/** How many migrations are applied after so many steps, if so many were before. */
export function appliedAfter(before: number, steps: number, { down }: MigrateOptions): number {
  return down ? before - steps : before + steps;
}

/** What a database has after a batch, in the order of application. */
export function merge(before: readonly AppliedMigration[], records: readonly NewRecord[]): AppliedMigration[] {
  const now = new Map(before.map(({ name, hash }) => [name, { name, hash }]));
  for (const { name, hash, status } of records) {
    if (status === 'APPLIED') now.set(name, { name, hash });
    else now.delete(name);
  }
  return [...now.values()];
}
