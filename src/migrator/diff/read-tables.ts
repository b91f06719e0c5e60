import { type AbstractSqlDriver, DatabaseSchema, type IndexDef, PostgreSqlSchemaHelper } from '@mikro-orm/sql';
import type pg from 'pg';
import { commonSchema } from '../files/common-schema.ts';

/**
 * Reads the tables and views of one schema. MikroORM itself would read all schemas of the database, that is every
 * tenant's, to compare one.
 * @param client in a transaction whose search path starts with the schema
 * @param ignored tables to leave out
 */
export async function readTables(
  client: pg.Client,
  driver: AbstractSqlDriver,
  schema: string,
  ignored: readonly string[],
): Promise<DatabaseSchema> {
  const platform = driver.getPlatform();
  const helper = platform.getSchemaHelper();
  if (!(helper instanceof PostgreSqlSchemaHelper)) throw new Error('This driver of MikroORM cannot read tables');
  const found = new DatabaseSchema(platform, schema);
  const { rows } = await client.query<Relation>(
    `SELECT relname AS table_name, nspname AS schema_name, obj_description(c.oid, 'pg_class') AS table_comment, relkind AS kind,
       relispopulated AS populated, CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition
     FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname = $1 AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition AND relname <> ALL ($2::text[])
     ORDER BY relname`,
    [schema, ignored],
  );
  const tables = rows.filter(({ definition }) => definition === null);
  await helper.loadInformationSchema(found, driver.getConnection(), tables, [schema]);
  const materialized = rows.filter(({ kind }) => kind === 'm');
  const indexes: Record<string, IndexDef[]> =
    materialized.length > 0 ? await helper.getAllIndexes(driver.getConnection(), materialized) : {};
  for (const { table_name, schema_name, definition, kind, populated } of rows) {
    if (definition === null) continue;
    const view = found.addView(table_name, schema_name, definition.trim().replace(/;$/, ''), kind === 'm', populated);
    const own = indexes[`${schema_name}.${table_name}`];
    if (own) view.indexes = own;
  }
  return found;
}

interface Relation {
  readonly table_name: string;
  readonly schema_name: string;
  readonly table_comment: string;
  readonly kind: string;
  readonly populated: boolean;
  /** Null for tables. */
  readonly definition: string | null;
}

const columnsByNameAlone = 'on cols.table_name = pgc.relname';
const columnsOfOneTable = `${columnsByNameAlone} and pgc.relnamespace = quote_ident(cols.table_schema)::regnamespace`;

const schemaOfType = /^[ \t]+udt_schema,$/m;
const schemaOfTypeButCommon = `nullif(udt_schema, '${commonSchema}') AS udt_schema,`;

const constraintsByNameAlone = 'on c.conname = i.relname';
const constraintsOfOneIndex = `on c.conindid = i.oid and c.contype in ('p', 'u', 'x')`;

/**
 * Corrects three queries of MikroORM 7.2. It finds a column's comment and collation, and an index's constraint, only by
 * their names, so it reads those of every schema with such a table. And it writes a type of another schema with that
 * schema, but entities name those of `common` without.
 */
export function normalized(text: string): string {
  return text
    .replace(columnsByNameAlone, columnsOfOneTable)
    .replace(schemaOfType, schemaOfTypeButCommon)
    .replace(constraintsByNameAlone, constraintsOfOneIndex);
}
