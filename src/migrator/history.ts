import type pg from 'pg';
import type { MigrationScope, MigrationStatus } from '../catalog/migration-record.entity.ts';
import type { AppliedMigration } from '../catalog/migration-state.entity.ts';
import { type FoundState, seenAtSql } from '../catalog/migration-states.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/identifiers.ts';

/** The name of the table in which a database keeps what was applied to it. */
export const historyTable = 'migration_history';

/** What is recorded of one attempt. */
export interface NewRecord extends AppliedMigration {
  readonly status: MigrationStatus;
  readonly run: string | undefined;
  readonly checkpoint: string | undefined;
  readonly durationMs: number;
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
 * SQL whose only row tells when a database's migrations are looked at, by its server's clock: later than whatever was done
 * under their lock before, also if the clock has been set back since. To be sent under that lock.
 */
export function readSeenAtSql(schema: string): string {
  return `SELECT ${seenAtSql('greatest(clock_timestamp(), max(applied_at))')} AS "seenAt" FROM ${table(schema)}`;
}

/** The row of {@link readSeenAtSql}. */
export type SeenRow = Pick<FoundState, 'seenAt'>;

/** See {@link readSeenAtSql}. */
export async function readSeenAt(client: pg.Client, schema: string): Promise<string> {
  const { rows } = await client.query<SeenRow>(readSeenAtSql(schema));
  const [row] = rows;
  if (!row) throw new Error('The clock was not told');
  return row.seenAt;
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
  const { rows } = await client.query<KindRow>(readKindSql(schema));
  return readKind(rows[0]);
}

/** SQL whose only row is what {@link readKind} reads. */
export function readKindSql(schema: string): string {
  return `SELECT obj_description(to_regclass(${quoteLiteral(table(schema))}), 'pg_class') AS kind`;
}

/** What kind of database it is that gave this row. */
export function readKind(row: KindRow | undefined): MigrationScope | undefined {
  return (['AUTH', 'CONSTANTS', 'TENANT'] as const).find((scope) => row?.kind === kindComment(scope));
}

/** The row of {@link readKindSql}. */
export interface KindRow {
  readonly kind: string | null;
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
