import type pg from 'pg';
import type { MigrationScope } from '../catalog/migration-record.entity.ts';
import type { DownTarget } from '../catalog/migration-run.entity.ts';
import type { AppliedMigration } from '../catalog/migration-state.entity.ts';
import { AppError, messageOf } from '../errors.ts';
import { lockKind, noticeSilenceSql, transactionLockSql } from '../postgres/advisory-lock.ts';
import { sqlState, sqlStateOf } from '../postgres/error-codes.ts';
import { quoteIdentifier } from '../postgres/identifiers.ts';
import {
  insertHistorySql,
  type KindRow,
  type NewRecord,
  readAppliedSql,
  readKind,
  readKindSql,
  revertHistorySql,
} from './history.ts';
import { compareNames, type MigrationFile } from './migration-files.ts';
import { type AppliedByRun, planDown, planUp } from './plan.ts';
import { runStep } from './run-step.ts';

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
  /** SQL that comes first in the transaction, such as what makes a new tenant's schema and its history. */
  readonly prelude?: string;
}

/** What a batch did. */
export interface MigrateOutcome {
  /** What the database has now, ordered by name. */
  readonly applied: readonly AppliedMigration[];
  /** What this batch did; in a dry run, what it would have done. */
  readonly records: readonly NewRecord[];
  readonly warnings: readonly string[];
}

/** A migration that failed; the database is as it was before the batch. */
export class MigrationFailedError extends Error {
  override readonly name = 'MigrationFailedError';
  readonly migration: MigrationFile;
  readonly durationMs: number;

  constructor(migration: MigrationFile, durationMs: number, cause: unknown) {
    super(`${migration.name} failed: ${messageOf(cause)}`, { cause });
    this.migration = migration;
    this.durationMs = durationMs;
  }
}

/** How long to wait for another process that migrates the same database, in milliseconds. */
const OTHER_MIGRATION_MS = 60_000;

/**
 * Brings one database forward, in one transaction with its history rows: whatever happens, it is afterwards either at the
 * old version or at the new one, data included. An advisory lock of that transaction keeps two processes apart.
 * @param client the owner's connection, outside a transaction; nothing of its session is kept
 * @throws {AppError} MIGRATION_CHANGED or MIGRATION_UNKNOWN if the history does not fit the files, BAD_USER_INPUT if a step
 *   can be applied to no database, CONFLICT if it is no such database
 * @throws {MigrationFailedError} if a migration failed
 */
export async function migrateDatabase(client: pg.Client, options: MigrateOptions): Promise<MigrateOutcome> {
  const before = await begin(client, options);
  try {
    const plan = options.down
      ? planDown(options.files, before, options.down)
      : planUp(options.files, before, options.to);
    if (plan.kind === 'refusal')
      throw new AppError(plan.code, plan.message, { details: { migration: plan.migration } });
    const records: NewRecord[] = [];
    for (const step of plan.steps) records.push(await applyStep(client, step, options));
    await client.query(options.dryRun ? 'ROLLBACK' : 'COMMIT');
    return { applied: merge(before, records), records, warnings: plan.warnings };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * Reads what a database has, ordered by name, when no other process migrates it.
 * @throws {AppError} CONFLICT if it is no such database
 */
export async function readApplied(client: pg.Client, options: MigrateOptions): Promise<readonly AppliedMigration[]> {
  const applied = await begin(client, options);
  await client.query('ROLLBACK');
  return merge(applied, []);
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
 * What an earlier migration may have left in the session, which the connection brings to the next database or schema: all
 * that DISCARD ALL undoes, which cannot be sent together with other statements.
 * @see https://www.postgresql.org/docs/current/sql-discard.html
 */
const freshSessionSql = `
  CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all();
  DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES;`;

/** What each step starts with, whatever the one before it has set. */
function stepSettingsSql({ schema, lockTimeoutMs }: MigrateOptions): string {
  return `SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL search_path = ${quoteIdentifier(schema)};`;
}

/**
 * Makes what is deferred fail now, where it can be told which step it was, and where a dry run meets it too. It is deferred
 * again afterwards, as each constraint has it.
 */
const checkDeferredSql = `
  SAVEPOINT deferred; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT deferred; RELEASE SAVEPOINT deferred;`;

/** Starts the transaction, takes the lock and reads the history: one round trip. */
async function begin(client: pg.Client, options: MigrateOptions): Promise<AppliedByRun[]> {
  const { schema, scope, prelude } = options;
  try {
    const results: unknown = await client.query(`
      BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
      ${freshSessionSql}
      ${noticeSilenceSql('SET LOCAL')}
      SET LOCAL lock_timeout = ${OTHER_MIGRATION_MS};
      ${transactionLockSql(lockKind.migrate, schema)}
      ${prelude ?? ''}
      ${stepSettingsSql(options)}
      ${readKindSql(schema)};
      ${readAppliedSql(schema)}`);
    const kind = readKind(rowsOf<KindRow>(results, -2)[0]);
    if (kind === scope) return rowsOf<AppliedByRun>(results, -1);
    throw new AppError(
      'CONFLICT',
      `This is ${kind ? `the ${kind}` : 'no'} database, so no ${scope} migration is applied to it`,
    );
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    if (sqlStateOf(error) !== sqlState.undefinedTable) throw error;
    throw new AppError('CONFLICT', `There is no migration history here, so this is no ${scope} database`, {
      cause: error,
    });
  }
}

async function applyStep(client: pg.Client, step: MigrationFile, options: MigrateOptions): Promise<NewRecord> {
  const { schema, scope, down } = options;
  const start = performance.now();
  try {
    await runStep(client, step, down ? 'down' : 'up');
    const record = recordOf(step, down ? 'REVERTED' : 'APPLIED', performance.now() - start, options);
    const revert = down ? `${revertHistorySql(schema, step.name)};` : '';
    await client.query(
      `${checkDeferredSql} ${stepSettingsSql(options)} ${revert} ${insertHistorySql(schema, scope, [record])}`,
    );
    return record;
  } catch (error) {
    throw new MigrationFailedError(step, performance.now() - start, error);
  }
}

function recordOf(
  { name, hash }: MigrationFile,
  status: NewRecord['status'],
  durationMs: number,
  { run, checkpoint }: MigrateOptions,
): NewRecord {
  return { name, hash, status, durationMs: Math.round(durationMs * 1000) / 1000, run, checkpoint };
}

function merge(before: readonly AppliedMigration[], records: readonly NewRecord[]): AppliedMigration[] {
  const now = new Map(before.map(({ name, hash }) => [name, { name, hash }]));
  for (const { name, hash, status } of records) {
    if (status === 'APPLIED') now.set(name, { name, hash });
    else now.delete(name);
  }
  return [...now.values()].sort((a, b) => compareNames(a.name, b.name));
}

/** node-postgres answers several statements with a list of results, which its types do not tell. */
function rowsOf<Row extends object>(results: unknown, index: number): Row[] {
  // The caller knows which statement is at this place, counted from the end, and what its rows are like.
  const list = results as readonly pg.QueryResult<Row & pg.QueryResultRow>[];
  return list.at(index)?.rows ?? [];
}
