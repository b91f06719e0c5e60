import type pg from 'pg';
import { historyTable } from '../migrator/files/history.ts';
import { isDistributed } from '../postgres/citus/schemas.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/sql/quote.ts';

/** A column of a {@link StoredTable}. */
export interface StoredColumn {
  readonly name: string;
  /** Whether PostgreSQL computes it from others, so that it is not copied. */
  readonly isGenerated: boolean;
  /** Whether it is of type `bytea`. */
  readonly isBytes: boolean;
}

/** A table that stores rows: an ordinary table or a partition without partitions. */
export interface StoredTable {
  readonly name: string;
  readonly columns: readonly StoredColumn[];
  /** Whether PostgreSQL's binary format of its rows is the same in every database. */
  readonly isPortable: boolean;
  /** PostgreSQL's estimate of the number of rows. */
  readonly rows: number;
  /** Whether the estimate is of statistics, and not only of the size. */
  readonly hasStatistics: boolean;
  /** The size of its rows without what is stored apart, in bytes. Undefined if unknown, 0 only if it has no rows. */
  readonly bytes: number | undefined;
  /** The tables that it is a partition of, the nearest first. */
  readonly partitionOf: readonly string[];
}

/** A condition for objects that no extension has created. */
export const notOfExtensionSql = (catalog: 'pg_class', oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend WHERE classid = '${catalog}'::regclass AND objid = ${oid} AND deptype = 'e')`;

interface TableRow {
  readonly id: string;
  readonly name: string;
  readonly rows: string;
  readonly hasStatistics: boolean;
  readonly bytes: string | null;
  readonly partitionOf: readonly string[];
}

interface ColumnRow {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly isGenerated: boolean;
  readonly isBytes: boolean;
}

/** Reads the tables of a schema that store rows. Several simple queries take less time than one for thousands of tables. */
export async function readStoredTables(client: pg.Client, schema: string): Promise<readonly StoredTable[]> {
  const { rows: may } = await client.query<{ may: boolean }>(
    `SELECT has_function_privilege('pg_relation_size(regclass, text)', 'EXECUTE') AS may`,
  );
  // The coordinator of Citus has none of the rows.
  const maySeeSizes = may[0]?.may === true && !(await isDistributed(client, schema));
  const { rows: tables } = await client.query<TableRow>(tablesSql(schema, maySeeSizes));
  const { rows: columns } = await client.query<ColumnRow>(columnsSql(schema));
  const types = [...new Set(columns.map(({ type }) => type))];
  const { rows: unfit } = await client.query<{ type: string }>(unfitTypesSql, [types]);
  const unfitTypes = new Set(unfit.map(({ type }) => type));
  const byTable = Map.groupBy(columns, ({ table }) => table);
  return tables.map(({ id, name, rows, hasStatistics, bytes, partitionOf }) => {
    const own = byTable.get(id) ?? [];
    return {
      name,
      columns: own.map((column) => ({
        name: column.name,
        isGenerated: column.isGenerated,
        isBytes: column.isBytes,
      })),
      isPortable: own.every(({ isGenerated, type }) => isGenerated || !unfitTypes.has(type)),
      rows: Number(rows),
      hasStatistics,
      bytes: bytes === null ? undefined : Number(bytes),
      partitionOf,
    };
  });
}

/** The columns of a table that both places have. Those of the history may differ, because an old one lacks the newest. */
export function sharedColumns(one: StoredTable, other: StoredTable): readonly StoredColumn[] {
  if (one.name !== historyTable) return one.columns;
  const others = new Set(other.columns.map(({ name }) => name));
  return one.columns.filter(({ name }) => others.has(name));
}

/** The rows of a page when nothing is known of them. */
const ROWS_OF_PAGE = 60;

function tablesSql(schema: string, maySeeSizes: boolean): string {
  const size = maySeeSizes ? 'pg_relation_size(oid)' : 'NULL::bigint';
  return `
    SELECT oid::text AS id, relname AS name, bytes, reltuples >= 0 AND relpages > 0 AS "hasStatistics",
      CASE WHEN bytes = 0 THEN 0 WHEN reltuples >= 0 AND relpages > 0 THEN ceil(reltuples::float8 / relpages * coalesce(bytes / 8192, relpages))
        ELSE coalesce(bytes / 8192, 0) * ${ROWS_OF_PAGE} END AS rows,
      CASE WHEN relispartition THEN ARRAY (
        SELECT p.relname::text FROM pg_partition_ancestors(t.oid) WITH ORDINALITY a (id, depth) JOIN pg_class p ON p.oid = id
        WHERE depth > 1 ORDER BY depth) ELSE '{}' END AS "partitionOf"
    FROM (SELECT *, ${size} AS bytes FROM pg_class c WHERE ${ownTablesSql(schema)}) t ORDER BY relname COLLATE "C"`;
}

function columnsSql(schema: string): string {
  return `
    SELECT attrelid::text AS table, attname AS name, atttypid::text AS type, attgenerated <> '' AS "isGenerated",
      atttypid = 'bytea'::regtype AS "isBytes"
    FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
    WHERE ${ownTablesSql(schema)} AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum`;
}

/** A condition for the tables of a schema, `pg_class c`, that store rows. */
function ownTablesSql(schema: string): string {
  return `relnamespace = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace AND relkind = 'r' AND ${notOfExtensionSql('pg_class', 'c.oid')}`;
}

/** The first object id that PostgreSQL gives to what users create. Those of its own types are the same everywhere. */
const FIRST_USER_OID = 16_384;

/**
 * SQL for those of the types $1 whose binary format another database may not read. That of an array or a composite type has the
 * object ids of its parts, and that of `regclass` and its like is an object id. Some types have no binary format.
 * @see https://www.postgresql.org/docs/current/datatype-oid.html
 */
const unfitTypesSql = `
  WITH RECURSIVE parts (root, part) AS (
    SELECT type, type FROM unnest($1::oid[]) u (type)
    UNION
    SELECT root, x.part FROM parts JOIN pg_type t ON t.oid = parts.part CROSS JOIN LATERAL (
      SELECT typelem AS part WHERE typcategory = 'A' AND typelem <> 0
      UNION ALL SELECT typbasetype WHERE typtype = 'd'
      UNION ALL SELECT rngsubtype FROM pg_range WHERE typtype IN ('r', 'm') AND t.oid IN (rngtypid, rngmultitypid)
      UNION ALL SELECT atttypid FROM pg_attribute WHERE typtype = 'c' AND attrelid = typrelid AND attnum > 0 AND NOT attisdropped) x)
  SELECT DISTINCT root::text AS type FROM parts JOIN pg_type t ON t.oid = part
  WHERE typsend = 0 OR typreceive = 0
    OR typnamespace = 'pg_catalog'::regnamespace AND typname LIKE 'reg%' AND typlen = 4
    OR typcategory = 'A' AND typelem >= ${FIRST_USER_OID}
    OR typtype = 'c' AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND atttypid >= ${FIRST_USER_OID})`;
