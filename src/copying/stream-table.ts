import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { copySql } from './copy-sql.ts';
import { createRowCounter } from './row-counter.ts';

/** A table in both places. */
export interface StreamedTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly format: 'binary' | 'text';
}

/**
 * Streams a table's rows from one server to another, as fast as the slower one is.
 * @param onChunk called for each chunk with its bytes and the number of rows that begin in it
 * @returns the number of rows
 * @see https://www.postgresql.org/docs/current/sql-copy.html
 */
export async function streamTable(
  [source, target]: readonly [pg.Client, pg.Client],
  [from, to]: readonly [string, string],
  { name, columns, format }: StreamedTable,
  onChunk: (bytes: number, rows: number) => void,
  signal: AbortSignal,
): Promise<number> {
  const output = source.query(copyTo(`${copySql(from, name, columns, 'TO STDOUT')} (FORMAT ${format})`));
  const counter = createRowCounter(format);
  const input = target.query(copyFrom(`${copySql(to, name, columns, 'FROM STDIN')} (FORMAT ${format})`));
  try {
    await pipeline(
      output,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          const before = counter.rows;
          counter.count(chunk);
          onChunk(chunk.length, counter.rows - before);
          yield chunk;
        }
      },
      input,
      { signal },
    );
  } catch (error) {
    // Rows that nobody reads would keep the connection from ending.
    source.connection.stream.destroy();
    throw error;
  }
  return input.rowCount;
}
