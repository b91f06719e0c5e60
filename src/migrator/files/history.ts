import type pg from 'pg';
import {
  type MigrationScope,
  type MigrationStatus,
  migrationScopes,
} from '../../catalog/entities/migration-record.entity.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import { type ObservedState, observedAtSql } from '../../catalog/migration-states.ts';
import { sqlState, violationOf } from '../../postgres/sql/error-codes.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import type { AppliedByRun } from './plan.ts';

/** The name of the table in which a database records its migrations. */
export const historyTable = 'migration_history';

/** The record of one attempt. */
export interface NewRecord<Duration extends number | undefined = number> extends AppliedMigration {
  readonly status: MigrationStatus;
  readonly run: string | undefined;
  readonly checkpoint: string | undefined;
  /** Undefined if PostgreSQL measures it, from {@link startClockSql} in the same transaction. */
  readonly durationMs: Duration;
  /** When it ended, as a `performance.now()` value; undefined if the record was read from the database. */
  readonly endedAt?: number;
  readonly error?: string;
}

/**
 * SQL that creates the history table. A check constraint refuses migrations of another kind of database. Citus sends the text of a
 * CREATE INDEX to the node that has the table; in a block, that text is the statement alone, not all that it was sent with.
 */
export function createHistorySql(schema: string, scope: MigrationScope): string {
  return `
    CREATE TABLE ${table(schema)} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      scope text NOT NULL CONSTRAINT migration_history_kind CHECK (scope = ${quoteLiteral(scope)}),
      name text NOT NULL,
      hash text NOT NULL,
      status text NOT NULL CHECK (status IN ('APPLIED', 'ROLLED_BACK', 'REVERTED')),
      run uuid,
      checkpoint text,
      applied_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
      duration_ms double precision,
      error text,
      cursor jsonb
    );
    COMMENT ON TABLE ${table(schema)} IS ${quoteLiteral(kindComment(scope))};
    DO $history$ BEGIN
      CREATE UNIQUE INDEX migration_history_applied_key ON ${table(schema)} (name) WHERE status = 'APPLIED';
    END $history$;`;
}

/** SQL that returns the applied migrations in order of application: {@link AppliedByRun}. */
export function readAppliedSql(schema: string): string {
  return `SELECT name, hash, run FROM ${table(schema)} WHERE status = 'APPLIED' ORDER BY id`;
}

/**
 * Two SQL statements, whose results {@link historyOf} reads: the current time and the server's version, and all records.
 * Send them under the database's migration lock. They use no join and no sort, because loading the catalogs for these is the
 * largest cost on a new connection.
 */
export function readHistorySql(schema: string): string {
  return `SELECT ${observedAtSql} AS "observedAt", current_setting('server_version_num')::int AS "serverVersion";
    SELECT id, scope, name, hash, run, status, applied_at AS "appliedAt" FROM ${table(schema)}`;
}

/** A row of a database's history. */
type RecordedAttempt = AppliedByRun & { readonly status: MigrationStatus };

interface HistoryRow extends RecordedAttempt {
  readonly id: string;
  readonly scope: MigrationScope;
  readonly appliedAt: Date;
}

interface Clock {
  readonly observedAt: string;
  readonly serverVersion: number;
}

/** The history of a database. */
export interface History {
  /** The applied migrations, in order of application. */
  readonly before: readonly AppliedByRun[];
  /** All records, in order. */
  readonly recorded: readonly RecordedAttempt[];
  /** When the history was read, by the server's clock. */
  readonly observedAt: ObservedState['observedAt'];
  /** The kind of database; undefined if there are no records, so that only {@link kindOf} knows it. */
  readonly kind: MigrationScope | undefined;
  /** PostgreSQL's version, such as 180001. */
  readonly serverVersion: number;
}

/**
 * Reads the results of {@link readHistorySql}.
 * @param results node-postgres's results of a message that ends with these statements
 */
export function historyOf(results: unknown): History {
  // node-postgres returns an array for several statements, which its types don't express.
  const [clock, rows] = (results as readonly pg.QueryResult<Clock & HistoryRow>[]).slice(-2);
  const recorded = (rows?.rows ?? []).toSorted((one, other) => Number(one.id) - Number(other.id));
  const before = recorded.flatMap(({ name, hash, run, status }) => (status === 'APPLIED' ? [{ name, hash, run }] : []));
  const { observedAt: now, serverVersion } = clock?.rows[0] ?? {};
  if (now === undefined || serverVersion === undefined) throw new Error('PostgreSQL returned no time');
  // Never earlier than what was done under the lock before, even if the server's clock has been set back.
  const latest = Math.max(...recorded.map(({ appliedAt }) => appliedAt.getTime()));
  const observedAt = latest > Date.parse(now) ? new Date(latest).toISOString() : now;
  return { before, recorded, observedAt, kind: recorded[0]?.scope, serverVersion };
}

/** See {@link readHistorySql}. */
export async function readHistory(client: pg.Client, schema: string): Promise<History> {
  return historyOf(await client.query(readHistorySql(schema)));
}

/** Counts the migrations that a run has reverted and not applied again. */
export function countReverted({ recorded }: Pick<History, 'recorded'>, run: string | undefined): number {
  const own = recorded.filter((attempt) => attempt.run === run && attempt.status !== 'ROLLED_BACK');
  const last = new Map(own.map(({ name, status }) => [name, status]));
  return [...last.values()].filter((status) => status === 'REVERTED').length;
}

/**
 * SQL that marks an applied migration as reverted. A later backfill that is unfinished starts from the first row next time, because
 * its changes may be gone.
 */
export function revertHistorySql(schema: string, name: string): string {
  return `WITH gone AS (DELETE FROM ${table(schema)} h WHERE ${isUnfinishedSql})
    UPDATE ${table(schema)} SET status = 'REVERTED' WHERE name = ${quoteLiteral(name)} AND status = 'APPLIED'`;
}

/**
 * A condition for the row `h` of an unfinished backfill, which has a cursor. Histories that were created before the column existed
 * get it when their first backfill begins.
 */
export const isUnfinishedSql = `h.status = 'ROLLED_BACK' AND to_jsonb(h) ->> 'cursor' IS NOT NULL`;

/** SQL that starts the clock for a record whose duration PostgreSQL measures. */
export const startClockSql = `SELECT set_config('tenantry.step_start', extract(epoch FROM clock_timestamp())::text, true)`;

/** If the migration has reset all settings, the duration counts from the start of the transaction. */
const measuredSql = `1000 * (extract(epoch FROM clock_timestamp()) - coalesce(
  nullif(current_setting('tenantry.step_start', true), '')::numeric, extract(epoch FROM now())))`;

/**
 * SQL that records attempts.
 * @param applied the expected number of applied migrations at that time. If it differs, PostgreSQL refuses the records
 *   with an error that {@link isChangedHistory} recognizes. If undefined, there is no check.
 */
export function insertHistorySql(
  schema: string,
  scope: MigrationScope,
  records: readonly NewRecord<number | undefined>[],
  applied?: number,
): string {
  const optional = (text: string | undefined) => (text === undefined ? 'NULL' : quoteLiteral(text));
  const rows = records.map(
    ({ name, hash, status, run, checkpoint, durationMs = measuredSql, error }) =>
      `(${[scope, name, hash, status].map(quoteLiteral).join(', ')}, ${optional(run)}, ${optional(checkpoint)}, ${durationMs}, ${optional(error)})`,
  );
  const columns = 'scope, name, hash, status, run, checkpoint, duration_ms, error';
  const insert = `INSERT INTO ${table(schema)} (${columns})`;
  if (applied === undefined) return `${insert} VALUES ${rows.join(', ')}`;
  // The status column is NOT NULL, so a NULL makes PostgreSQL refuse the row. Citus allows no subquery in VALUES; here it evaluates
  // the values, with the next id and the clock, where the transaction is, and not on the node that has the table.
  return `${insert}
    SELECT scope, name, hash, CASE WHEN found.applied = ${applied} THEN status END, run::uuid, checkpoint, duration_ms, error
    FROM (VALUES ${rows.join(', ')}) record (${columns}),
      (SELECT count(*) AS applied FROM ${table(schema)} WHERE status = 'APPLIED') found`;
}

/** Whether the error means that the number of applied migrations was not the expected one. */
export function isChangedHistory(error: unknown): boolean {
  const violation = violationOf(error);
  return violation?.code === sqlState.notNullViolation && violation.table === historyTable;
}

/**
 * SQL that stores the hash ($2) of the file of this name ($1) for an applied migration or an unfinished backfill, as the
 * owner: the one of this name, or one that was recorded with this hash under a name that is not among the code's ($3), because the file was
 * renamed. It returns the previous hash; no row if nothing differs. Citus
 * does not let it return the time too.
 */
export function acceptHashSql(schema: string): string {
  return `WITH before AS (
      SELECT id, hash FROM ${table(schema)} h
      WHERE (status = 'APPLIED' OR ${isUnfinishedSql}) AND (
        (name = $1 AND hash <> $2)
        OR (hash = $2 AND name <> ALL ($3::text[])
          AND NOT EXISTS (SELECT FROM ${table(schema)} WHERE name = $1 AND status = 'APPLIED')))
      ORDER BY id LIMIT 1 FOR UPDATE)
    UPDATE ${table(schema)} h SET name = $1, hash = $2 FROM before WHERE h.id = before.id
    RETURNING before.hash AS "previousHash"`;
}

/** Returns the kind of this database; undefined if it has no history and so isn't one of ours. */
export async function kindOf(client: pg.Client, schema: string): Promise<MigrationScope | undefined> {
  const { rows } = await client.query<{ kind: string | null }>(
    `SELECT obj_description(to_regclass(${quoteLiteral(table(schema))}), 'pg_class') AS kind`,
  );
  return migrationScopes.find((scope) => rows[0]?.kind === kindComment(scope));
}

/**
 * Reads what a run did to a database, in order, without what the run itself has undone.
 * @param status APPLIED for a run that applies, REVERTED for one that reverts
 */
export async function readDoneByRun(
  client: pg.Client,
  schema: string,
  run: string,
  status: 'APPLIED' | 'REVERTED',
): Promise<NewRecord[]> {
  const { rows } = await client.query<NewRecord>(
    `SELECT name, hash, status, run, checkpoint, duration_ms AS "durationMs" FROM ${table(schema)} h
     WHERE status = $2 AND id = (
       SELECT max(id) FROM ${table(schema)} WHERE run = $1 AND name = h.name AND status <> 'ROLLED_BACK')
     ORDER BY id`,
    [run, status],
  );
  return rows;
}

/** Reads the error of the last failed attempt, unless the migration has been applied since. */
export async function readLastFailure(client: pg.Client, schema: string): Promise<string | null> {
  const { rows } = await client.query<{ error: string | null }>(
    `SELECT coalesce(error, name) AS error FROM ${table(schema)} h WHERE status = 'ROLLED_BACK'
       AND NOT EXISTS (SELECT FROM ${table(schema)} WHERE name = h.name AND status <> 'ROLLED_BACK' AND id > h.id)
     ORDER BY id DESC LIMIT 1`,
  );
  return rows[0]?.error ?? null;
}

function table(schema: string): string {
  return `${quoteIdentifier(schema)}.${historyTable}`;
}

function kindComment(scope: MigrationScope): string {
  return `What was applied to this ${scope} database by Tenantry`;
}
