import type pg from 'pg';
import type { MigrationScope, MigrationStatus } from '../catalog/migration-record.entity.ts';
import type { AppliedMigration } from '../catalog/migration-state.entity.ts';
import { type FoundState, seenAtSql } from '../catalog/migration-states.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/identifiers.ts';
import type { AppliedByRun } from './plan.ts';

/** The name of the table in which a database keeps what was applied to it. */
export const historyTable = 'migration_history';

/** What is recorded of one attempt. */
export interface NewRecord extends AppliedMigration {
  readonly status: MigrationStatus;
  readonly run: string | undefined;
  readonly checkpoint: string | undefined;
  readonly durationMs: number;
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
 * SQL whose rows {@link historyOf} reads: all that was recorded, in the order in which that happened, and at least one row. To
 * be sent under the lock of the database's migrations. It is one statement, for the first look at a table is what costs a new
 * connection most.
 */
export function readHistorySql(schema: string): string {
  // Later than whatever was done under the lock before, also if the server's clock has been set back since.
  const seenAt = seenAtSql('greatest(clock_timestamp(), applied_at)');
  return `SELECT scope, name, hash, run, status, ${seenAt} AS "seenAt"
    FROM (VALUES (0)) AS one LEFT JOIN ${table(schema)} ON true ORDER BY id`;
}

/** A row of {@link readHistorySql}; all but the last is null where nothing was recorded. */
export interface HistoryRow {
  readonly scope: MigrationScope | null;
  readonly name: string;
  readonly hash: string;
  readonly run: string | null;
  readonly status: MigrationStatus;
  readonly seenAt: string;
}

/** What a database's history says. */
export interface History {
  /** What is applied, in the order in which that happened. */
  readonly before: readonly AppliedByRun[];
  /** When it was looked at, by its server's clock. */
  readonly seenAt: FoundState['seenAt'];
  /** What kind of database it is; undefined if only {@link kindOf} can tell, since nothing was recorded yet. */
  readonly kind: MigrationScope | undefined;
}

/** What the rows of {@link readHistorySql} tell. */
export function historyOf(rows: readonly HistoryRow[]): History {
  const before = rows.flatMap(({ name, hash, run, status }) => (status === 'APPLIED' ? [{ name, hash, run }] : []));
  // All are as long as each other, so that their order is that of time.
  const seenAt = rows
    .map((row) => row.seenAt)
    .sort()
    .at(-1);
  if (seenAt === undefined) throw new Error('The clock was not told');
  return { before, seenAt, kind: rows[0]?.scope ?? undefined };
}

/** See {@link readHistorySql}. */
export async function readHistory(client: pg.Client, schema: string): Promise<History> {
  const { rows } = await client.query<HistoryRow>(readHistorySql(schema));
  return historyOf(rows);
}

/** SQL that says of an applied migration that it has been taken back. */
export function revertHistorySql(schema: string, name: string): string {
  return `UPDATE ${table(schema)} SET status = 'REVERTED' WHERE name = ${quoteLiteral(name)} AND status = 'APPLIED'`;
}

/** SQL that records attempts. */
export function insertHistorySql(schema: string, scope: MigrationScope, records: readonly NewRecord[]): string {
  const optional = (text: string | undefined) => (text === undefined ? 'NULL' : quoteLiteral(text));
  const rows = records.map(
    (record) =>
      `(${[scope, record.name, record.hash, record.status].map(quoteLiteral).join(', ')}, ${optional(record.run)}, ${optional(record.checkpoint)}, ${record.durationMs}, ${optional(record.error)})`,
  );
  return `INSERT INTO ${table(schema)} (scope, name, hash, status, run, checkpoint, duration_ms, error) VALUES ${rows.join(', ')}`;
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
