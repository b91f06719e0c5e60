import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { historyTable, isUnfinishedSql } from '../files/history.ts';
import type { MigrationFile } from '../files/migration-file.ts';
import type { KeyValues } from './table.ts';

/** Where a backfill is in a tenant's table. It is kept in the tenant's history. */
export interface Cursor {
  /** The last key whose batch is committed. */
  readonly key: KeyValues;
  readonly rowsDone: number;
  /** The number of rows when the backfill began, exact or estimated. */
  readonly rowsTotal: number;
  /** How long its batches took, in milliseconds. */
  readonly durationMs: number;
}

/** An unfinished backfill in a tenant's history. */
export interface Unfinished {
  readonly id: string;
  readonly hash: string;
  readonly cursor: Cursor;
}

/**
 * Finds where a backfill was interrupted, also if its file has been renamed since. The column may not exist yet.
 * @param client in the transaction that holds the migration lock
 */
export async function readUnfinished(
  client: pg.Client,
  schema: string,
  { name, hash }: MigrationFile,
): Promise<Unfinished | undefined> {
  const { rows } = await client.query<Unfinished>(
    `SELECT id, hash, to_jsonb(h) -> 'cursor' AS cursor FROM ${table(schema)} h
     WHERE (name = $1 OR hash = $2) AND ${isUnfinishedSql} ORDER BY id DESC LIMIT 1`,
    [name, hash],
  );
  return rows[0];
}

/** Adds the column `cursor` to a history that was created without it. */
export async function addCursorColumn(client: pg.Client, schema: string): Promise<void> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_attribute WHERE attrelid = ${quoteLiteral(table(schema))}::regclass AND attname = 'cursor'`,
  );
  // Even if the column is there, the statement would lock out readers.
  if (rowCount === 0) await client.query(`ALTER TABLE ${table(schema)} ADD COLUMN cursor jsonb`);
}

/** A statement that moves the cursor of an unfinished backfill. */
export function moveCursorSql(schema: string, { id }: Unfinished, { name }: MigrationFile, cursor: Cursor): string {
  return `UPDATE ${table(schema)} SET name = ${quoteLiteral(name)}, ${cursorSql(cursor)} WHERE id = ${quoteLiteral(id)}`;
}

function cursorSql(cursor: Cursor): string {
  return `cursor = ${quoteLiteral(JSON.stringify(cursor))}, duration_ms = ${cursor.durationMs}, error = ${quoteLiteral(stateOf(cursor))}`;
}

function stateOf({ rowsDone }: Cursor): string {
  return `The backfill has not reached the last row. ${rowsDone} rows are done.`;
}

/** A statement that records the first batch of a backfill. */
export function beginBackfillSql(
  schema: string,
  { scope, name, hash }: MigrationFile,
  { run, checkpoint }: { readonly run?: string | undefined; readonly checkpoint?: string | undefined },
  cursor: Cursor,
): string {
  const texts = [scope, name, hash, 'ROLLED_BACK', run, checkpoint, stateOf(cursor), JSON.stringify(cursor)];
  const literals = texts.map((text) => (text === undefined ? 'NULL' : quoteLiteral(text)));
  return `INSERT INTO ${table(schema)} (scope, name, hash, status, run, checkpoint, error, cursor, duration_ms)
    VALUES (${literals.join(', ')}, ${cursor.durationMs})`;
}

/** A statement that removes the cursor of a backfill that has reached the last row. */
export function endBackfillSql(schema: string, { id }: Unfinished): string {
  return `DELETE FROM ${table(schema)} WHERE id = ${quoteLiteral(id)}`;
}

function table(schema: string): string {
  return `${quoteIdentifier(schema)}.${historyTable}`;
}
