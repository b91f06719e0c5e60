import type pg from 'pg';
import type { TableName } from './table-size.ts';

/** A column of a table. */
export interface ShapedColumn {
  readonly name: string;
  /** The name of a type of pg_catalog; `text` for all other types. */
  readonly type: string;
  /** @see https://www.postgresql.org/docs/current/catalog-pg-type.html#CATALOG-TYPCATEGORY-TABLE */
  readonly category: string;
  /** In bytes; negative if it differs by value. */
  readonly length: number;
}

/** What a table's rows and indexes consist of. */
export interface TableShape {
  readonly columns: readonly ShapedColumn[];
  /** The columns of each index. Expressions are left out. */
  readonly indexes: readonly (readonly string[])[];
}

/** Reads what a table's rows and indexes consist of, but none of its rows. */
export async function readTableShape(client: pg.Client, { schema, table }: TableName): Promise<TableShape> {
  const values = [schema, table];
  const columns = await client.query<ShapedColumn>(
    `SELECT a.attname AS name, coalesce(k.typname, 'text') AS type, coalesce(k.typcategory, 'S') AS category,
       coalesce(k.typlen, -1)::int AS length
     FROM ${attributes} JOIN pg_type t ON t.oid = a.atttypid
     LEFT JOIN pg_type k ON k.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
       AND k.typtype = 'b' AND k.typnamespace = 'pg_catalog'::regnamespace
     ORDER BY a.attnum`,
    values,
  );
  const indexes = await client.query<{ columns: string[] }>(
    `SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum)) AS columns
     FROM ${attributes} JOIN pg_index i ON i.indrelid = a.attrelid AND a.attnum = ANY (i.indkey::int2[])
     WHERE i.indisvalid GROUP BY i.indexrelid`,
    values,
  );
  return { columns: columns.rows, indexes: indexes.rows.map((index) => index.columns) };
}

const attributes = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1 AND c.relname = $2
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;
