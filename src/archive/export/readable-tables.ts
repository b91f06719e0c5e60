import type pg from 'pg';
import type { StoredTable } from '../../copying/tables.ts';
import { quoteIdentifier, quoteQualified } from '../../postgres/sql/quote.ts';
import { copyOut } from './copy-out.ts';
import { toJsonArray } from './json-array.ts';

/** The readable forms of a tenant's data. */
export type ReadableFormat = 'csv' | 'json';

/** A table as people know it. */
export interface ReadableTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Whether its rows are in partitions. */
  readonly isPartitioned: boolean;
}

/** The tables with rows, and partitioned tables in place of their partitions. */
export function readableTables(tables: readonly StoredTable[]): readonly ReadableTable[] {
  const found = new Map<string, ReadableTable>();
  for (const { name, columns, partitionOf } of tables) {
    const root = partitionOf.at(-1);
    found.set(root ?? name, {
      name: root ?? name,
      columns: columns.map((column) => column.name),
      isPartitioned: root !== undefined,
    });
  }
  return [...found.values()];
}

/**
 * Yields a table's rows in a readable form, with all columns.
 * @param onRows called with the number of rows so far, for the last time at the end
 */
export async function* readableRows(
  client: pg.Client,
  schema: string,
  table: ReadableTable,
  format: ReadableFormat,
  onRows: (rows: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  // Rows of a table that inherits from another one belong to both, and are those of its own file.
  const from = `${table.isPartitioned ? '' : 'ONLY '}${quoteQualified(schema, table.name)}`;
  if (format === 'csv') {
    const copy = `COPY (SELECT * FROM ${from}) TO STDOUT (FORMAT csv, HEADER)`;
    return yield* withRows(copyOut(client, copy, signal, onRows), onRows);
  }
  const row = quoteIdentifier(nameBeside(table.columns));
  const columns = await exactColumns(client, schema, table.name);
  const copy = `COPY (SELECT row_to_json(${row}) FROM (SELECT ${columns.join(', ')} FROM ${from}) ${row}) TO STDOUT`;
  yield* toJsonArray(copyOut(client, copy, signal), onRows);
}

const QUOTE = 0x22;
const NEWLINE = 0x0a;

/** Passes CSV on, and counts its rows: a newline within quotes belongs to a value, and the first line has the names of the columns. */
async function* withRows(chunks: AsyncIterable<Buffer>, onRows: (rows: number) => void): AsyncGenerator<Buffer> {
  let rows = -1;
  let isQuoted = false;
  for await (const chunk of chunks) {
    for (const byte of chunk) {
      if (byte === QUOTE) isQuoted = !isQuoted;
      else if (byte === NEWLINE && !isQuoted) rows += 1;
    }
    onRows(Math.max(0, rows));
    yield chunk;
  }
}

/** The types whose numbers may have more digits than a number of JSON keeps in most programs. */
const LONG_NUMBERS = `'int8'::regtype, 'numeric'::regtype`;

/**
 * Returns SQL for the columns of a table, with long numbers as texts. Most programs read a number of JSON as a floating-point number
 * of 64 bits, which has 15 digits.
 * @see https://www.rfc-editor.org/rfc/rfc8259#section-6
 */
async function exactColumns(client: pg.Client, schema: string, table: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; cast: '::text' | '::text[]' | '' }>(
    `WITH RECURSIVE bases (attnum, attname, type) AS (
       SELECT attnum, attname, atttypid::oid FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
       UNION ALL SELECT attnum, attname, t.typbasetype FROM bases JOIN pg_type t ON t.oid = type WHERE t.typtype = 'd')
     SELECT attname AS name, CASE
       WHEN bool_or(type IN (${LONG_NUMBERS})) THEN '::text'
       WHEN bool_or(t.typcategory = 'A' AND coalesce(nullif(e.typbasetype, 0), e.oid) IN (${LONG_NUMBERS})) THEN '::text[]'
       ELSE '' END AS cast
     FROM bases JOIN pg_type t ON t.oid = type LEFT JOIN pg_type e ON e.oid = t.typelem
     GROUP BY attnum, attname ORDER BY attnum`,
    [quoteQualified(schema, table)],
  );
  return rows.map(({ name, cast }) => {
    const column = quoteIdentifier(name);
    return cast === '' ? column : `${column}${cast} AS ${column}`;
  });
}

/** A name that no column has, since it would be taken for the column. */
function nameBeside(columns: readonly string[]): string {
  let name = 'row';
  while (columns.includes(name)) name += '_';
  return name;
}
