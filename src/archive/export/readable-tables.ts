import type pg from 'pg';
import type { StoredTable } from '../../copying/tables.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
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
export function readableRows(
  client: pg.Client,
  schema: string,
  table: ReadableTable,
  format: ReadableFormat,
  onRows: (rows: number) => void,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  // Rows of a table that inherits from another one belong to both, and are those of its own file.
  const from = `${table.isPartitioned ? '' : 'ONLY '}${quoteIdentifier(schema)}.${quoteIdentifier(table.name)}`;
  if (format === 'csv')
    return copyOut(client, `COPY (SELECT * FROM ${from}) TO STDOUT (FORMAT csv, HEADER)`, signal, onRows);
  const row = quoteIdentifier(nameBeside(table.columns));
  return toJsonArray(
    copyOut(client, `COPY (SELECT row_to_json(${row}) FROM ${from} ${row}) TO STDOUT`, signal),
    onRows,
  );
}

/** A name that no column has, since it would be taken for the column. */
function nameBeside(columns: readonly string[]): string {
  let name = 'row';
  while (columns.includes(name)) name += '_';
  return name;
}
