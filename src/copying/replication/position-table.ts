import type pg from 'pg';
import { quoteIdentifier, quoteQualified } from '../../postgres/sql/quote.ts';
import { formatLsn, type Lsn, parseLsn } from './lsn.ts';

/**
 * The table at the target that holds how far changes are applied. Each transaction that applies changes also writes the position,
 * so that after any interruption each change is applied exactly once. The table exists from the end of the copy until the
 * end of the move.
 */
export const positionTable = 'tenantry_move_position';

/** What the table holds. */
export interface StoredPosition {
  /** Everything that was committed before it is applied. */
  readonly position: Lsn;
  /** The fingerprint of the source's schema when its rows were copied. */
  readonly fingerprint: string;
}

/** Creates the table for a slot, or what is left of it from another one. */
export async function createPosition(
  client: pg.Client,
  schema: string,
  slot: string,
  { position, fingerprint }: StoredPosition,
): Promise<void> {
  await client.query(`${dropPositionSql(schema)};
    CREATE TABLE ${nameSql(schema)} (slot text PRIMARY KEY, position pg_lsn NOT NULL, fingerprint text NOT NULL)`);
  await client.query(`INSERT INTO ${nameSql(schema)} VALUES ($1, $2, $3)`, [slot, formatLsn(position), fingerprint]);
}

/** Reads the position of a slot; undefined if its copy is not complete. */
export async function readPosition(
  client: pg.Client,
  schema: string,
  slot: string,
): Promise<StoredPosition | undefined> {
  const there = await client.query('SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relname = $2', [
    quoteIdentifier(schema),
    positionTable,
  ]);
  if (there.rowCount === 0) return undefined;
  const { rows } = await client.query<{ position: string; fingerprint: string }>(
    `SELECT position, fingerprint FROM ${nameSql(schema)} WHERE slot = $1`,
    [slot],
  );
  return rows[0] && { position: parseLsn(rows[0].position), fingerprint: rows[0].fingerprint };
}

/** SQL that locks the position until the end of the transaction, and returns it. */
export function lockPositionSql(schema: string): string {
  return `SELECT position FROM ${nameSql(schema)} FOR UPDATE`;
}

/** SQL that stores the position. */
export function storePositionSql(schema: string, position: Lsn): string {
  return `UPDATE ${nameSql(schema)} SET position = '${formatLsn(position)}'`;
}

/** SQL that drops the table. */
export function dropPositionSql(schema: string): string {
  return `DROP TABLE IF EXISTS ${nameSql(schema)}`;
}

function nameSql(schema: string): string {
  return quoteQualified(schema, positionTable);
}
