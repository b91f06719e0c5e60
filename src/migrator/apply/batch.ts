import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import type { DownTarget } from '../../catalog/entities/migration-run.entity.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import type { ObservedState } from '../../catalog/migration-states.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { countReverted, type History, type NewRecord } from '../files/history.ts';
import { isBackfill, type MigrationFile } from '../files/migration-file.ts';
import { type Division, mayUseNewEnums, stagesOf, whyDivided } from '../files/parts.ts';
import { type AppliedByRun, planDown, planUp } from '../files/plan.ts';

/** What to migrate, and how far. */
export interface MigrateOptions {
  readonly scope: MigrationScope;
  /** The schema of the tables and the history. */
  readonly schema: string;
  readonly files: readonly MigrationFile[];
  /** The last migration to apply; if omitted, the newest. */
  readonly to?: string | undefined;
  /** Which migrations to revert, instead of applying any. */
  readonly down?: DownTarget | undefined;
  /** Commit each step by itself, unless everything is rolled back. */
  readonly separateTransactions?: boolean | undefined;
  /** Apply everything up to the first backfill, then roll back. */
  readonly dryRun?: boolean;
  /**
   * Whether the tenant is in use, so that each call carries out one stage only: what comes before a backfill, or a backfill.
   * Not with `down` or `dryRun`.
   */
  readonly inStages?: boolean;
  readonly run?: string;
  readonly checkpoint?: string;
  /** How long to wait for a table lock, in milliseconds. */
  readonly lockTimeoutMs: number;
  /** Whether to exclude other batches of the same database that say so too. */
  readonly takesTurn?: boolean;
  /** Whether an earlier attempt at this batch may have been interrupted anywhere. */
  readonly isRepeated?: boolean;
  /**
   * Setup SQL that runs first in the transaction and creates the history, for a new tenant's schema or an empty
   * database.
   */
  readonly setupSql?: string;
  /**
   * In a dry run: tries, in the same transaction, what has to be there before the first step. It returns why that cannot
   * be tried, if so.
   */
  readonly rehearse?: (client: pg.Client) => Promise<string | undefined>;
}

/** The result of a batch. */
export interface MigrateOutcome extends ObservedState {
  /** The migrations that the database has now, in order of application. */
  readonly applied: readonly AppliedMigration[];
  /** The steps that this batch carried out, or in a dry run would have. */
  readonly records: readonly NewRecord[];
  readonly warnings: readonly string[];
  /** Why a dry run did not try the batch; undefined if it did. */
  readonly untried?: string;
  /** Whether further stages may follow; see {@link MigrateOptions.inStages}. */
  readonly hasMore?: boolean;
}

/**
 * A failed migration. The database is as it was before the batch, unless the batch was applied in parts: then the
 * earlier parts stay, and a migration that is not transactional keeps what it did before it failed.
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

/** How long to wait for another process that is migrating the same database, in milliseconds. */
export const OTHER_MIGRATION_MS = 60_000;

/** The plan for one database, made under its migration lock. */
export interface PlannedBatch {
  /** The migrations that the database has. */
  readonly before: readonly AppliedByRun[];
  /** When the history was read, by the server's clock. */
  readonly observedAt: ObservedState['observedAt'];
  readonly steps: readonly MigrationFile[];
  /** How many steps are left to later stages. */
  readonly later: number;
  readonly warnings: readonly string[];
  readonly division: Division;
  /** Why the steps cannot be one transaction, as a clause; undefined if they can. */
  readonly divided: string | undefined;
}

/**
 * Plans the steps for a history.
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
  const { warnings } = plan;
  const steps = down ? plan.steps : stepsForNow(plan.steps, options);
  const later = plan.steps.length - steps.length;
  const division = divisionOf(options, history);
  return { before, observedAt, steps, later, warnings, division, divided: whyDivided(steps, division) };
}

/** A dry run cannot try what comes after a backfill, because that may need the changes of all rows. */
function stepsForNow(steps: readonly MigrationFile[], { inStages, dryRun }: MigrateOptions): readonly MigrationFile[] {
  if (dryRun) {
    const backfill = steps.findIndex(isBackfill);
    return backfill < 0 ? steps : steps.slice(0, backfill + 1);
  }
  return inStages ? (stagesOf(steps)[0] ?? []) : steps;
}

/** How a batch with these options is divided into parts. */
function divisionOf(
  { down, separateTransactions = false, dryRun = false }: MigrateOptions,
  { serverVersion }: History,
): Division {
  return {
    direction: down ? 'down' : 'up',
    isSeparate: separateTransactions && !dryRun,
    usesNewEnums: mayUseNewEnums(serverVersion),
  };
}

/**
 * An earlier attempt may have reverted some or all of the steps without being able to report it. Reverted steps count.
 */
function leftToRevert(history: Pick<History, 'recorded'>, { down, run }: MigrateOptions): DownTarget | undefined {
  if (down?.kind !== 'steps') return down;
  return { kind: 'steps', steps: Math.max(0, down.steps - countReverted(history, run)) };
}

/**
 * Creates the history row for an attempted step.
 * @param endedAt when it ended, on the clock of `performance`
 */
export function recordOf<Duration extends number | undefined>(
  { name, hash }: MigrationFile,
  status: NewRecord['status'],
  durationMs: Duration,
  { run, checkpoint }: MigrateOptions,
  endedAt = performance.now(),
): NewRecord<Duration> {
  return { name, hash, status, durationMs, endedAt, run, checkpoint };
}

/** The number of applied migrations after some steps, given the number before. */
export function appliedAfter(before: number, steps: number, { down }: MigrateOptions): number {
  return down ? before - steps : before + steps;
}

/** The migrations of a database after a batch, in order of application. */
export function merge(before: readonly AppliedMigration[], records: readonly NewRecord[]): AppliedMigration[] {
  const now = new Map(before.map(({ name, hash }) => [name, { name, hash }]));
  for (const { name, hash, status } of records) {
    if (status === 'APPLIED') now.set(name, { name, hash });
    else now.delete(name);
  }
  return [...now.values()];
}
