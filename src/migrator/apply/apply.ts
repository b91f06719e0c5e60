import type pg from 'pg';
import type { ObservedState } from '../../catalog/migration-states.ts';
import { AppError } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import { noticeSilenceSql } from '../../postgres/session-settings.ts';
import { lockKind, transactionLockSql } from '../../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { rollBack } from '../../postgres/sql/transaction.ts';
import { tryBatch } from '../backfill/try.ts';
import { type History, historyOf, insertHistorySql, kindOf, type NewRecord, readHistorySql } from '../files/history.ts';
import { type BackfillFile, isBackfill, type MigrationFile } from '../files/migration-file.ts';
import { applySteps } from './apply-steps.ts';
import {
  type MigrateOptions,
  type MigrateOutcome,
  type MigrationFailedError,
  merge,
  OTHER_MIGRATION_MS,
  type PlannedBatch,
  planBatch,
  recordOf,
} from './batch.ts';
import { chooseMode, type DirectMode, type Protection, refuseStages } from './batch-mode.ts';
import { anotherMigration, LOCK_POLL_MS, migrateInParts } from './non-transactional.ts';
import { freshSessionSql, stepSettingsSql } from './session.ts';

/**
 * Migrates one database in one transaction, together with its history rows: afterwards it is either at the old version
 * or at the new one, data included. An advisory lock in that transaction keeps out other processes. A batch with a step
 * that cannot run in a transaction is applied in parts, see {@link migrateInParts}; a dry run doesn't try such a batch.
 * @param client the owner's connection, outside a transaction; its session state is discarded
 * @throws {AppError} MIGRATION_CHANGED or MIGRATION_UNKNOWN if the history doesn't match the files, BAD_USER_INPUT if a
 *   step cannot be applied to any database, CONFLICT if the database is of another kind
 * @throws {MigrationFailedError} if a migration failed
 */
export function migrateDatabase(client: pg.Client, options: MigrateOptions): Promise<MigrateOutcome> {
  return underLock(client, options, (history) => {
    const batch = planBatch(history, options);
    return carryOut(client, batch, options, chooseMode(batch, options));
  });
}

/**
 * The result of a tenant's batch. `copyFirst` means that nothing is done yet, because the database must be copied
 * first; `backfill`, that nothing is done yet, because the next step is carried out in batches.
 */
type Attempt =
  | { readonly kind: 'done'; readonly outcome: MigrateOutcome }
  | { readonly kind: 'backfill'; readonly step: BackfillFile; readonly batch: PlannedBatch }
  | { readonly kind: 'copyFirst'; readonly batch: PlannedBatch };

/**
 * Like {@link migrateDatabase}, for a tenant. If the batch needs a copy of the database first, it returns the planned
 * batch for {@link migrateAsPlanned}.
 * @throws {AppError} CONFLICT if the batch must be one transaction and cannot be, and see {@link migrateDatabase}
 */
export function migrateUnlessCopyFirst(
  client: pg.Client,
  options: MigrateOptions,
  protection: Protection,
): Promise<Attempt> {
  return underLock(client, options, async (history): Promise<Attempt> => {
    const batch = planBatch(history, options);
    if (options.inStages) refuseStages(batch, protection);
    const [step] = batch.steps;
    if (options.inStages && step && isBackfill(step)) {
      await client.query('ROLLBACK');
      return { kind: 'backfill', step, batch };
    }
    const mode = chooseMode(batch, options, protection);
    if (mode !== 'COPY_FIRST') return { kind: 'done', outcome: await carryOut(client, batch, options, mode) };
    await client.query('ROLLBACK');
    return { kind: 'copyFirst', batch };
  });
}

/**
 * Carries out a batch that was planned before the database was copied.
 * @returns undefined, without doing anything, if another process has migrated the database in the meantime
 */
export function migrateAsPlanned(
  client: pg.Client,
  options: MigrateOptions,
  batch: PlannedBatch,
): Promise<MigrateOutcome | undefined> {
  return underLock(client, options, async ({ before, observedAt }) => {
    if (isSame(before, batch.before)) {
      return carryOut(client, { ...batch, observedAt }, options, chooseMode(batch, options));
    }
    await client.query('ROLLBACK');
    return undefined;
  });
}

function isSame(one: PlannedBatch['before'], other: PlannedBatch['before']): boolean {
  const [now, then] = [one, other].map((applied) => applied.map(({ name, hash }) => `${name} ${hash}`).join('\n'));
  return now === then;
}

/**
 * Runs `work` in a transaction that holds the migration lock.
 * @param work must end the transaction in which it is called
 */
export async function underLock<T>(
  client: pg.Client,
  options: MigrateOptions,
  work: (history: History) => Promise<T>,
): Promise<T> {
  const history = await begin(client, options);
  try {
    return await work(history);
  } catch (error) {
    await rollBack(client);
    throw error;
  }
}

/** Carries out the plan and ends the open transaction. */
async function carryOut(
  client: pg.Client,
  batch: PlannedBatch,
  options: MigrateOptions,
  mode: DirectMode,
): Promise<MigrateOutcome> {
  if (mode === 'IN_PARTS') return migrateInParts(client, batch, options);
  const { before, observedAt, steps, later, warnings } = batch;
  const untried = options.dryRun ? await whyUntried(client, batch, options, mode) : undefined;
  const records = await applyTogether(client, before.length, untried === undefined ? steps : [], options);
  const notTried = options.dryRun && untried === undefined ? whyPartly(steps, later) : [];
  return {
    applied: merge(before, records),
    observedAt,
    records,
    warnings: [...warnings, ...notTried],
    hasMore: later > 0,
    ...(untried !== undefined && { untried }),
  };
}

/** Why a dry run cannot try a batch; undefined if it can. What comes before the batch has been tried then. */
async function whyUntried(
  client: pg.Client,
  { divided }: PlannedBatch,
  options: MigrateOptions,
  mode: DirectMode,
): Promise<string | undefined> {
  if (mode !== 'ONE_TRANSACTION') return `${divided}, so the batch cannot be tried and rolled back`;
  const untried = await options.rehearse?.(client);
  if (options.rehearse) await client.query(stepSettingsSql(options));
  return untried;
}

/**
 * Applies steps and ends the transaction together with the last one.
 * @param before the number of migrations applied before
 */
async function applyTogether(
  client: pg.Client,
  before: number,
  steps: readonly MigrationFile[],
  options: MigrateOptions,
): Promise<NewRecord[]> {
  const end = options.dryRun ? 'ROLLBACK' : 'COMMIT';
  const last = steps.at(-1);
  const tried = options.dryRun && !options.down && last && isBackfill(last) ? last : undefined;
  const next = tried ? 'STEP' : end;
  const records = await applySteps(client, tried ? steps.slice(0, -1) : steps, options, { next, applied: before });
  if (tried) records.push(await tryBatch(client, tried, options));
  if (client.getTransactionStatus() !== 'I') await client.query(end);
  return records;
}

/** What a dry run has not tried of a plan with a backfill. */
function whyPartly(steps: readonly MigrationFile[], later: number): readonly string[] {
  const last = steps.at(-1);
  if (!last?.backfill) return [];
  const others = later === 0 ? '' : `, and none of the ${later} migrations after it`;
  return [`${last.name} is a backfill, so this dry run has tried one batch of it${others}`];
}

/**
 * Reads the applied migrations, in order of application, under the lock that excludes other migrations.
 * @throws {AppError} CONFLICT if the database is of another kind
 */
export async function readApplied(client: pg.Client, options: MigrateOptions): Promise<ObservedState> {
  const { before, observedAt } = await begin(client, options);
  await client.query('ROLLBACK');
  return { applied: merge(before, []), observedAt };
}

/** Records a rolled-back attempt in a transaction of its own. */
export async function recordFailure(
  client: pg.Client,
  failure: MigrationFailedError,
  options: MigrateOptions,
): Promise<NewRecord> {
  const record = { ...recordOf(failure.migration, 'ROLLED_BACK', failure.durationMs, options), error: failure.message };
  await client.query(insertHistorySql(options.schema, options.scope, [record]));
  return record;
}

/**
 * Starts the transaction once no other process is migrating the database. It never waits for long inside a transaction:
 * CREATE INDEX CONCURRENTLY of the lock's holder would wait for that transaction, and PostgreSQL would resolve the
 * deadlock by aborting one of them.
 * @throws {AppError} TENANT_BUSY
 */
async function begin(client: pg.Client, options: MigrateOptions): Promise<History> {
  for (const start = performance.now(); elapsedSince(start) < OTHER_MIGRATION_MS; ) {
    try {
      return await tryToBegin(client, options);
    } catch (error) {
      if (sqlStateOf(error) !== sqlState.lockNotAvailable) throw error;
    }
  }
  throw anotherMigration();
}

/** Starts the transaction, acquires the lock and reads the history in one round trip. */
async function tryToBegin(client: pg.Client, options: MigrateOptions): Promise<History> {
  const { schema, scope, setupSql, takesTurn } = options;
  try {
    const results = await client.query(`
      BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
      ${freshSessionSql}
      ${noticeSilenceSql}
      SET LOCAL lock_timeout = ${LOCK_POLL_MS};
      ${takesTurn ? transactionLockSql(lockKind.turn, '') : ''}
      ${transactionLockSql(lockKind.migrate, schema)}
      SET LOCAL lock_timeout = ${OTHER_MIGRATION_MS};
      ${setupSql ?? ''}
      ${stepSettingsSql(options)}
      ${readHistorySql(schema)}`);
    const history = historyOf(results);
    // All rows of the history are of the one kind that the table accepts.
    const kind = history.kind ?? (setupSql === undefined ? await kindOf(client, schema) : scope);
    if (kind === scope) return history;
    throw new AppError(
      'CONFLICT',
      `This is ${kind ? `the ${kind}` : 'no'} database, so no ${scope} migration is applied to it`,
    );
  } catch (error) {
    await rollBack(client);
    if (sqlStateOf(error) !== sqlState.undefinedTable) throw error;
    throw new AppError(
      'CONFLICT',
      `There is no migration history here, so this is not a database of the scope ${scope}`,
      {
        cause: error,
      },
    );
  }
}
