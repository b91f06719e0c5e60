import type pg from 'pg';
import type { ObservedState } from '../../catalog/migration-states.ts';
import { AppError } from '../../lib/errors.ts';
import { elapsedSince } from '../../lib/time.ts';
import { lockKind, noticeSilenceSql, transactionLockSql } from '../../postgres/sql/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { rollBack } from '../../postgres/sql/transaction.ts';
import { type History, historyOf, insertHistorySql, kindOf, type NewRecord, readHistorySql } from '../files/history.ts';
import type { MigrationFile } from '../files/migration-files.ts';
import {
  appliedAfter,
  applyStep,
  freshSessionSql,
  type MigrateOptions,
  type MigrateOutcome,
  type MigrationFailedError,
  merge,
  OTHER_MIGRATION_MS,
  type PlannedBatch,
  planBatch,
  recordOf,
  stepSettingsSql,
} from './batch.ts';
import { chooseMode, type DirectMode, type Protection } from './batch-mode.ts';
import { anotherMigration, LOCK_POLL_MS, migrateInParts } from './non-transactional.ts';

/**
 * Brings one database forward, in one transaction with its history rows: whatever happens, it is afterwards either at the
 * old version or at the new one, data included. An advisory lock of that transaction keeps two processes apart. A batch with
 * a step that no transaction can hold is applied in parts, see {@link migrateInParts}; a dry run does not try it.
 * @param client the owner's connection, outside a transaction; nothing of its session is kept
 * @throws {AppError} MIGRATION_CHANGED or MIGRATION_UNKNOWN if the history does not fit the files, BAD_USER_INPUT if a step
 *   can be applied to no database, CONFLICT if it is no such database
 * @throws {MigrationFailedError} if a migration failed
 */
export function migrateDatabase(client: pg.Client, options: MigrateOptions): Promise<MigrateOutcome> {
  return underLock(client, options, (history) => {
    const batch = planBatch(history, options);
    return carryOut(client, batch, options, chooseMode(batch, options));
  });
}

/** What came of a tenant's batch: nothing yet, if the database is to be copied first. */
type Attempt =
  | { readonly kind: 'done'; readonly outcome: MigrateOutcome }
  | { readonly kind: 'copyFirst'; readonly batch: PlannedBatch };

/**
 * The same for a tenant, if its batch needs no copy. Else it gives the batch, for {@link migrateAsPlanned} when there is one.
 * @throws {AppError} CONFLICT if the batch has to be one transaction and cannot be, and see {@link migrateDatabase}
 */
export function migrateUnlessCopyFirst(
  client: pg.Client,
  options: MigrateOptions,
  protection: Protection,
): Promise<Attempt> {
  return underLock(client, options, async (history): Promise<Attempt> => {
    const batch = planBatch(history, options);
    const mode = chooseMode(batch, options, protection);
    if (mode !== 'COPY_FIRST') return { kind: 'done', outcome: await carryOut(client, batch, options, mode) };
    await client.query('ROLLBACK');
    return { kind: 'copyFirst', batch };
  });
}

/**
 * Carries out a batch that was planned before the database was copied.
 * @returns undefined, and nothing is done, if another process has migrated the database since
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

/** @param work ends the transaction in which it is called */
async function underLock<T>(
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

/** Does what was planned, and ends the transaction that is open. */
async function carryOut(
  client: pg.Client,
  batch: PlannedBatch,
  options: MigrateOptions,
  mode: DirectMode,
): Promise<MigrateOutcome> {
  if (mode === 'IN_PARTS') return migrateInParts(client, batch, options);
  const { before, observedAt, steps, warnings, alone } = batch;
  const isTried = mode === 'ONE_TRANSACTION';
  const records = await applyTogether(client, before.length, isTried ? steps : [], options);
  const untried = `${alone?.name} is not transactional, so that its batch could not be tried and rolled back`;
  return { applied: merge(before, records), observedAt, records, warnings, ...(!isTried && { untried }) };
}

/**
 * Applies steps, and ends the transaction together with the last one.
 * @param before how many migrations are applied
 */
async function applyTogether(
  client: pg.Client,
  before: number,
  steps: readonly MigrationFile[],
  options: MigrateOptions,
): Promise<NewRecord[]> {
  const end = options.dryRun ? 'ROLLBACK' : 'COMMIT';
  const records: NewRecord[] = [];
  for (const [index, step] of steps.entries()) {
    const trailingSql = step === steps.at(-1) ? end : '';
    const applied = appliedAfter(before, index, options);
    records.push(await applyStep(client, step, options, { trailingSql, applied }));
  }
  if (steps.length === 0) await client.query(end);
  return records;
}

/**
 * Reads what a database has, in the order of application, when no other process migrates it.
 * @throws {AppError} CONFLICT if it is no such database
 */
export async function readApplied(client: pg.Client, options: MigrateOptions): Promise<ObservedState> {
  const { before, observedAt } = await begin(client, options);
  await client.query('ROLLBACK');
  return { applied: merge(before, []), observedAt };
}

/** Records, in a transaction of its own, an attempt that was rolled back. */
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
 * Starts the transaction when no other process migrates the database. It never waits long in a transaction: CREATE INDEX
 * CONCURRENTLY, of whoever holds the lock, would wait for that one's end, and PostgreSQL would end one of both.
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

/** Starts the transaction, takes the lock and reads the history: one round trip. */
async function tryToBegin(client: pg.Client, options: MigrateOptions): Promise<History> {
  const { schema, scope, setupSql } = options;
  try {
    const results = await client.query(`
      BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
      ${freshSessionSql}
      ${noticeSilenceSql('SET LOCAL')}
      SET LOCAL lock_timeout = ${LOCK_POLL_MS};
      ${transactionLockSql(lockKind.migrate, schema)}
      SET LOCAL lock_timeout = ${OTHER_MIGRATION_MS};
      ${setupSql ?? ''}
      ${stepSettingsSql(options)}
      ${readHistorySql(schema)}`);
    const history = historyOf(results);
    // What was recorded is of the one kind that the table takes.
    const kind = history.kind ?? (setupSql === undefined ? await kindOf(client, schema) : scope);
    if (kind === scope) return history;
    throw new AppError(
      'CONFLICT',
      `This is ${kind ? `the ${kind}` : 'no'} database, so no ${scope} migration is applied to it`,
    );
  } catch (error) {
    await rollBack(client);
    if (sqlStateOf(error) !== sqlState.undefinedTable) throw error;
    throw new AppError('CONFLICT', `There is no migration history here, so this is no ${scope} database`, {
      cause: error,
    });
  }
}
