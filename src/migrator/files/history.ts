import pg from 'pg';
import type { MigrationScope, MigrationStatus } from '../../catalog/entities/migration-record.entity.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import { type ObservedState, observedAtSql } from '../../catalog/migration-states.ts';
import { sqlState } from '../../postgres/sql/error-codes.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import type { AppliedByRun } from './plan.ts';

/** The name of the table in which a database keeps what was applied to it. */
export const historyTable = 'migration_history';

/** What is recorded of one attempt. */
export interface NewRecord<Duration extends number | undefined = number> extends AppliedMigration {
  readonly status: MigrationStatus;
  readonly run: string | undefined;
  readonly checkpoint: string | undefined;
  /** Undefined until PostgreSQL tells it, which knows when the message with the attempt and the record came. */
  readonly durationMs: Duration;
  /** When it ended, as `performance.now()` has it; undefined if it was read, so that this is not known. */
  readonly endedAt?: number;
  readonly error?: string;
}

/**
 * SQL that makes the table in which a database keeps what was applied to it. Its check lets PostgreSQL itself refuse
 * migrations of another kind of database.
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
      error text
    );
    COMMENT ON TABLE ${table(schema)} IS ${quoteLiteral(kindComment(scope))};
    CREATE UNIQUE INDEX migration_history_applied_key ON ${table(schema)} (name) WHERE status = 'APPLIED';`;
}

/** SQL whose rows are the migrations that are applied, in the order in which that happened: {@link AppliedByRun}. */
export function readAppliedSql(schema: string): string {
  return `SELECT name, hash, run FROM ${table(schema)} WHERE status = 'APPLIED' ORDER BY id`;
}

/**
 * SQL of two statements, which {@link historyOf} reads the results of: what time it is, and all that was recorded. To be sent
 * under the lock of the database's migrations. Neither joins nor sorts, for the catalogs that PostgreSQL would look into for
 * that are what costs a new connection most.
 */
export function readHistorySql(schema: string): string {
  return `SELECT ${observedAtSql} AS "observedAt";
    SELECT id, scope, name, hash, run, status, applied_at AS "appliedAt" FROM ${table(schema)}`;
}

/** What a database's history says of one attempt. */
type RecordedAttempt = AppliedByRun & { readonly status: MigrationStatus };

interface HistoryRow extends RecordedAttempt {
  readonly id: string;
  readonly scope: MigrationScope;
  readonly appliedAt: Date;
}

interface Clock {
  readonly observedAt: string;
}

/** What a database's history says. */
export interface History {
  /** What is applied, in the order in which that happened. */
  readonly before: readonly AppliedByRun[];
  /** All that was recorded, in that order. */
  readonly recorded: readonly RecordedAttempt[];
  /** When it was looked at, by its server's clock. */
  readonly observedAt: ObservedState['observedAt'];
  /** What kind of database it is; undefined if only {@link kindOf} can tell, since nothing was recorded yet. */
  readonly kind: MigrationScope | undefined;
}

/**
 * What {@link readHistorySql} has found.
 * @param results what node-postgres answered to the message that ended with it
 */
export function historyOf(results: unknown): History {
  // Several statements are answered with a list, which the types of node-postgres do not tell.
  const [clock, rows] = (results as readonly pg.QueryResult<Clock & HistoryRow>[]).slice(-2);
  const recorded = (rows?.rows ?? []).toSorted((one, other) => Number(one.id) - Number(other.id));
  const before = recorded.flatMap(({ name, hash, run, status }) => (status === 'APPLIED' ? [{ name, hash, run }] : []));
  const now = clock?.rows[0]?.observedAt;
  if (now === undefined) throw new Error('The clock was not told');
  // Later than whatever was done under the lock before, also if the server's clock has been set back since.
  const latest = Math.max(...recorded.map(({ appliedAt }) => appliedAt.getTime()));
  const observedAt = latest > Date.parse(now) ? new Date(latest).toISOString() : now;
  return { before, recorded, observedAt, kind: recorded[0]?.scope };
}

/** See {@link readHistorySql}. */
export async function readHistory(client: pg.Client, schema: string): Promise<History> {
  return historyOf(await client.query(readHistorySql(schema)));
}

/** How many migrations a run has taken back, as far as it has not applied them again itself. */
export function countReverted({ recorded }: Pick<History, 'recorded'>, run: string | undefined): number {
  const own = recorded.filter((attempt) => attempt.run === run && attempt.status !== 'ROLLED_BACK');
  const last = new Map(own.map(({ name, status }) => [name, status]));
  return [...last.values()].filter((status) => status === 'REVERTED').length;
}

/** SQL that says of an applied migration that it has been taken back. */
export function revertHistorySql(schema: string, name: string): string {
  return `UPDATE ${table(schema)} SET status = 'REVERTED' WHERE name = ${quoteLiteral(name)} AND status = 'APPLIED'`;
}

/**
 * SQL that records attempts.
 * @param applied how many migrations are applied then; where PostgreSQL finds that others are, it refuses the records with an
 *   error of {@link isChangedHistory}. It is not looked at if undefined.
 */
export function insertHistorySql(
  schema: string,
  scope: MigrationScope,
  records: readonly NewRecord<number | undefined>[],
  applied?: number,
): string {
  const measured = 'extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000';
  const optional = (text: string | undefined) => (text === undefined ? 'NULL' : quoteLiteral(text));
  // The table takes no row without a status.
  const unchanged = `(SELECT count(*) FROM ${table(schema)} WHERE status = 'APPLIED') = ${applied}`;
  const checked = (status: string) => (applied === undefined ? status : `CASE WHEN ${unchanged} THEN ${status} END`);
  const rows = records.map(
    (record) =>
      `(${[scope, record.name, record.hash].map(quoteLiteral).join(', ')}, ${checked(quoteLiteral(record.status))}, ${optional(record.run)}, ${optional(record.checkpoint)}, ${record.durationMs ?? measured}, ${optional(record.error)})`,
  );
  return `INSERT INTO ${table(schema)} (scope, name, hash, status, run, checkpoint, duration_ms, error) VALUES ${rows.join(', ')}`;
}

/** Whether it is what {@link insertHistorySql} meets when others are applied than should be. */
export function isChangedHistory(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === sqlState.notNullViolation && error.table === historyTable;
}

/**
 * SQL that accepts another hash ($2) of an applied migration ($1), as the owner. Its row tells the hash before, and when;
 * there is none if the migration is not applied, or has this hash already.
 */
export function acceptHashSql(schema: string): string {
  return `WITH before AS (
      SELECT id, hash FROM ${table(schema)} WHERE name = $1 AND status = 'APPLIED' AND hash <> $2 FOR UPDATE)
    UPDATE ${table(schema)} h SET hash = $2 FROM before WHERE h.id = before.id
    RETURNING before.hash AS "previousHash", clock_timestamp() AS "acceptedAt"`;
}

/** What kind of database this is, or undefined if it has no history and so is none of ours. */
export async function kindOf(client: pg.Client, schema: string): Promise<MigrationScope | undefined> {
  const { rows } = await client.query<{ kind: string | null }>(
    `SELECT obj_description(to_regclass(${quoteLiteral(table(schema))}), 'pg_class') AS kind`,
  );
  return (['AUTH', 'CONSTANTS', 'TENANT'] as const).find((scope) => rows[0]?.kind === kindComment(scope));
}

/**
 * What a run did to a database, in that order, as far as the run has not undone it itself.
 * @param status APPLIED for a run that applies, REVERTED for one that takes back
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

/** What the history says of the last attempt that failed, unless the migration has been applied since. */
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
