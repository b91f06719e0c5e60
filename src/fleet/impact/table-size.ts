import type pg from 'pg';
import { quoteQualified } from '../../postgres/sql/quote.ts';

/** A table of a tenant, by its name in PostgreSQL. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** How large a table is. */
export interface TableSize {
  /** An estimate for large tables. */
  readonly rows: number;
  /** The bytes of its rows, without indexes and without values that are stored apart (TOAST). */
  readonly bytes: number;
}

/** The number of pages up to which rows are counted. Of larger tables, about as many are counted. */
const COUNTED_PAGES = 256;

/**
 * Reads the size of a table. It reads at most a few megabytes and does not rely on the statistics of PostgreSQL, which may
 * be old or missing.
 * @returns undefined if there is no such table
 */
export async function readTableSize(client: pg.Client, name: TableName): Promise<TableSize | undefined> {
  const { rows } = await client.query<{ bytes: number; pages: number }>(
    `SELECT bytes::float8 AS bytes, (bytes / current_setting('block_size')::int)::float8 AS pages
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL (SELECT coalesce(
       (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(c.oid) WHERE isleaf), pg_relation_size(c.oid)) AS bytes) s
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'm')`,
    [name.schema, name.table],
  );
  const [found] = rows;
  if (!found) return undefined;
  const { bytes, pages } = found;
  const part = Math.min(COUNTED_PAGES / Math.max(pages, 1), 1);
  const sample = part < 1 ? `TABLESAMPLE SYSTEM (${100 * part})` : '';
  const counted = await client.query<{ count: number }>(
    `SELECT count(*)::float8 AS count FROM ${quoteQualified(name.schema, name.table)} ${sample}`,
  );
  return { rows: Math.round((counted.rows[0]?.count ?? 0) / part), bytes };
}
