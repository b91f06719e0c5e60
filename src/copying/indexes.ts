import type pg from 'pg';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../postgres/sql/quote.ts';

/** The smallest table whose indexes are built after its rows are there, in bytes. Below that, two statements take longer. */
const MIN_BYTES = 1024 ** 2;

/** A table that gets rows. */
export interface TableToFill {
  readonly name: string;
  /** The size of the rows, in bytes. Undefined if unknown. */
  readonly bytes: number | undefined;
}

interface Index {
  readonly table: string;
  readonly name: string;
  readonly definition: string;
  /** The definition of its constraint; null if it has none. */
  readonly constraint: string | null;
  readonly comment: string | null;
  readonly constraintComment: string | null;
}

/**
 * Drops the indexes of large tables that are about to be filled. Building an index from all rows takes a fraction of the time
 * that inserting them one by one takes.
 *
 * Those stay that something depends on or that have properties which their definitions do not tell, such as primary keys, and
 * those with expressions: PostgreSQL evaluates functions with another search path when it builds an index than when it inserts a
 * row.
 * @returns for each the statements that build it again; several may be built at the same time
 * @see https://www.postgresql.org/docs/current/populate.html#POPULATE-RM-INDEXES
 */
export async function takeDownIndexes(
  client: pg.Client,
  schema: string,
  filled: readonly TableToFill[],
): Promise<readonly (readonly string[])[]> {
  const large = filled.filter(({ bytes = 0 }) => bytes >= MIN_BYTES).map(({ name }) => name);
  if (large.length === 0) return [];
  const { rows } = await client.query<Index>(indexesSql(schema), [large]);
  for (const { table, name, constraint } of rows) {
    await client.query(
      constraint === null
        ? `DROP INDEX ${quoteQualified(schema, name)}`
        : `ALTER TABLE ${quoteQualified(schema, table)} DROP CONSTRAINT ${quoteIdentifier(name)}`,
    );
  }
  return rows.map((index) => buildSql(schema, index));
}

function buildSql(schema: string, index: Index): readonly string[] {
  const { table, name, definition, constraint, comment, constraintComment } = index;
  const build =
    constraint === null
      ? definition
      : `ALTER TABLE ${quoteQualified(schema, table)} ADD CONSTRAINT ${quoteIdentifier(name)} ${constraint}`;
  const describe = (what: string, text: string | null) =>
    text === null ? [] : [`COMMENT ON ${what} IS ${quoteLiteral(text)}`];
  return [
    build,
    ...describe(`INDEX ${quoteQualified(schema, name)}`, comment),
    ...describe(`CONSTRAINT ${quoteIdentifier(name)} ON ${quoteQualified(schema, table)}`, constraintComment),
  ];
}

function indexesSql(schema: string): string {
  return `
    SELECT t.relname AS table, i.relname AS name, pg_get_indexdef(i.oid) AS definition, pg_get_constraintdef(c.oid) AS constraint,
      obj_description(i.oid, 'pg_class') AS comment, obj_description(c.oid, 'pg_constraint') AS "constraintComment"
    FROM pg_index x JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid
      LEFT JOIN pg_constraint c ON conindid = i.oid AND conrelid = t.oid AND contype IN ('p', 'u', 'x')
    WHERE t.relnamespace = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace AND t.relname = ANY ($1)
      AND t.relkind = 'r' AND NOT t.relispartition AND NOT indisprimary AND NOT indisreplident AND NOT indisclustered
      AND indisvalid AND indexprs IS NULL AND indpred IS NULL AND i.reltablespace = 0
      AND (c.oid IS NULL OR i.reloptions IS NULL)
      AND NOT EXISTS (
        SELECT FROM pg_depend d
        WHERE deptype <> 'i' AND (refclassid, refobjid) IN (('pg_class'::regclass, i.oid), ('pg_constraint'::regclass, c.oid))
          OR classid = 'pg_class'::regclass AND objid = i.oid AND deptype IN ('e', 'x'))
    ORDER BY i.oid`;
}
