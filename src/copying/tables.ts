import type pg from 'pg';
import { historyTable } from '../migrator/files/history.ts';
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
  /** The size of its rows without what is stored apart, in bytes. Undefined if unknown, 0 only if it has no rows. */
  readonly bytes: number | undefined;
  /** The tables that it is a partition of, the nearest first. */
  readonly partitionOf: readonly string[];
}

/** A condition for what no extension brings along. */
export const notOfExtensionSql = (catalog: 'pg_class', oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend WHERE classid = '${catalog}'::regclass AND objid = ${oid} AND deptype = 'e')`;

/** Reads the tables of a schema that store rows. */
export async function readStoredTables(client: pg.Client, schema: string): Promise<readonly StoredTable[]> {
  const { rows: may } = await client.query<{ may: boolean }>(
    `SELECT has_function_privilege('pg_relation_size(regclass, text)', 'EXECUTE') AS may`,
  );
  const { rows } = await client.query<Omit<StoredTable, 'bytes' | 'rows'> & { bytes: string | null; rows: string }>(
    tablesSql(schema, may[0]?.may === true),
  );
  return rows.map((row) => ({
    ...row,
    rows: Number(row.rows),
    bytes: row.bytes === null ? undefined : Number(row.bytes),
  }));
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
  const size = maySeeSizes ? 'pg_relation_size(t.oid)' : 'NULL::bigint';
  return `
    WITH RECURSIVE tables AS MATERIALIZED (
      SELECT oid, relname, reltuples, relpages, relispartition FROM pg_class
      WHERE relnamespace = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace AND relkind = 'r' AND ${notOfExtensionSql('pg_class', 'pg_class.oid')}),
    columns AS MATERIALIZED (
      SELECT attrelid, attnum, attname, atttypid, attgenerated = '' AS is_own FROM pg_attribute
      WHERE attrelid IN (SELECT oid FROM tables) AND attnum > 0 AND NOT attisdropped),
    ${unfitTypesSql('SELECT DISTINCT atttypid FROM columns WHERE is_own')},
    lists AS (
      SELECT attrelid, bool_and(NOT is_own OR root IS NULL) AS is_portable, json_agg(json_build_object(
        'name', attname, 'isGenerated', NOT is_own, 'isBytes', atttypid = 'bytea'::regtype) ORDER BY attnum) AS columns
      FROM columns LEFT JOIN unfit ON root = atttypid GROUP BY attrelid),
    sizes AS (SELECT t.*, ${size} AS bytes FROM tables t)
    SELECT relname AS name, bytes,
      CASE WHEN bytes = 0 THEN 0 WHEN reltuples >= 0 AND relpages > 0 THEN ceil(reltuples::float8 / relpages * coalesce(bytes / 8192, relpages))
        ELSE coalesce(bytes / 8192, 0) * ${ROWS_OF_PAGE} END AS rows,
      coalesce(columns, '[]') AS columns, coalesce(is_portable, true) AS "isPortable",
      CASE WHEN relispartition THEN ARRAY (
        SELECT relname::text FROM pg_partition_ancestors(t.oid) WITH ORDINALITY a (id, depth) JOIN pg_class p ON p.oid = id
        WHERE depth > 1 ORDER BY depth) ELSE '{}' END AS "partitionOf"
    FROM sizes t LEFT JOIN lists ON attrelid = oid ORDER BY relname COLLATE "C"`;
}

/** The first object id that PostgreSQL gives to what users create. Those of its own types are the same everywhere. */
const FIRST_USER_OID = 16_384;

/**
 * SQL of the common table expression `unfit`: the types whose binary format another database may not read. That of an array or a
 * composite type has the object ids of its parts, and that of `regclass` and its like is an object id. Some types have no
 * binary format.
 * @see https://www.postgresql.org/docs/current/datatype-oid.html
 */
function unfitTypesSql(used: string): string {
  return `
    parts (root, part) AS (
      SELECT atttypid, atttypid FROM (${used}) u
      UNION
      SELECT root, x.part FROM parts JOIN pg_type t ON t.oid = parts.part CROSS JOIN LATERAL (
        SELECT typelem AS part WHERE typcategory = 'A' AND typelem <> 0
        UNION ALL SELECT typbasetype WHERE typtype = 'd'
        UNION ALL SELECT rngsubtype FROM pg_range WHERE typtype IN ('r', 'm') AND t.oid IN (rngtypid, rngmultitypid)
        UNION ALL SELECT atttypid FROM pg_attribute WHERE typtype = 'c' AND attrelid = typrelid AND attnum > 0 AND NOT attisdropped) x),
    unfit AS (
      SELECT DISTINCT root FROM parts JOIN pg_type t ON t.oid = part
      WHERE typsend = 0 OR typreceive = 0
        OR typnamespace = 'pg_catalog'::regnamespace AND typname LIKE 'reg%' AND typlen = 4
        OR typcategory = 'A' AND typelem >= ${FIRST_USER_OID}
        OR typtype = 'c' AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND atttypid >= ${FIRST_USER_OID}))`;
}
