import type pg from 'pg';
import { quoteIdentifier, quoteQualified } from '../postgres/sql/quote.ts';
import type { StoredColumn } from './tables.ts';

/** What tells a table's rows from others: their number, and the sum of the hashes of their texts. */
export interface Checksum {
  readonly rows: string;
  readonly hash: string | null;
}

/**
 * Computes the checksum of a table's rows, in any order and without the rows of tables that inherit from it. A row's text has all
 * values exactly, so the settings of both sessions must be those of a copy.
 */
export async function checksum(
  client: pg.Client,
  schema: string,
  table: string,
  columns: readonly StoredColumn[],
): Promise<Checksum> {
  // The text of bytes has twice their size, which may be too large.
  const values = columns.map(({ name, isBytes }) =>
    isBytes ? `md5(${quoteIdentifier(name)})` : quoteIdentifier(name),
  );
  const { rows } = await client.query<Checksum>(
    `SELECT count(*) AS rows, sum(hashtextextended(ROW(${values.join(', ')})::text COLLATE "C", 0)) AS hash
     FROM ONLY ${quoteQualified(schema, table)}`,
  );
  return rows[0] ?? { rows: '0', hash: null };
}

/** Whether two tables have the same rows. */
export function isSame(one: Checksum, other: Checksum): boolean {
  return one.rows === other.rows && one.hash === other.hash;
}
