import type { EntitySchema } from '@mikro-orm/postgresql';
import {
  type AbstractSqlDriver,
  type Column,
  DatabaseSchema,
  SchemaComparator,
  type SchemaDifference,
  SchemaGenerator,
  type SchemaHelper,
  type TableDifference,
} from '@mikro-orm/sql';
import type pg from 'pg';
import { createEntityDatabases, lendAgain } from './entity-databases.ts';
import { quoteIdentifier } from './identifiers.ts';

/** The tables that entities describe, to be compared with those that a schema really has. */
export interface EntityTables {
  /**
   * Tells what would make a schema's tables what the entities say: statements in the order in which they are to be sent,
   * none if there is no difference. They may drop what the entities do not have, so read them before sending them.
   *
   * Compared are tables, columns, indexes, constraints, triggers, policies, views, enums and comments. Not compared is
   * what entities cannot describe: functions, sequences of their own, domains, extensions, rights and storage. Indexes on
   * expressions, and triggers that an entity declares as raw SQL, are compared by their names only.
   * @param client the owner's connection, outside a transaction: a role sees only the columns that it has rights on
   * @param schema where the tables are of entities that are declared with `schema: '*'`
   */
  differences(client: pg.Client, schema: string): Promise<readonly string[]>;
  /** The same, and the statements that would make the tables again what they are now. */
  changes(client: pg.Client, schema: string): Promise<TableChanges>;
}

/** Statements that change tables, and those that take the change back, each in order. */
export interface TableChanges {
  readonly up: readonly string[];
  /** Undefined if that cannot be told: entities no longer describe a table that `up` drops. */
  readonly down: readonly string[] | undefined;
}

/** How entities and tables belong together. */
export interface EntityTablesOptions {
  /** Tables that no entity describes. */
  readonly ignored: readonly string[];
  /**
   * `all`: what the entities do not have is a difference, too. `needed`: the tables may have more, and only what the
   * entities need is compared: that their tables, columns, types and constraints are there.
   */
  readonly compare: 'all' | 'needed';
}

/** Describes entities' tables. The entities are discovered when they are first compared. */
export function entityTables(entities: readonly EntitySchema[], options: EntityTablesOptions): EntityTables {
  let databases: ReturnType<typeof createEntityDatabases> | undefined;
  const tables: EntityTables = {
    differences: async (client, schema) => (await tables.changes(client, schema)).up,
    async changes(client, schema) {
      databases ??= createEntityDatabases(entities);
      const lent = lendAgain(client, mended);
      const em = databases.open({ connect: async () => lent, end: async () => undefined }).fork(schema);
      const generator = new SchemaGenerator(em);
      const target = generator.getTargetSchema(schema, true);
      // All catalogs as they were at one moment; names as they stand in migrations, which find the schema first.
      await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
        SET LOCAL search_path = ${quoteIdentifier(schema)}`);
      try {
        const found = await readTables(client, em.getDriver(), schema, options.ignored);
        const comparator = new SchemaComparator(em.getPlatform());
        const forward = comparator.compare(found, target);
        if (options.compare === 'needed') keepNeeded(forward);
        const sqlOf = (difference: SchemaDifference) =>
          statementsOf(generator.diffToSQL(difference, { wrap: false, schema, dropTables: true }));
        const dropsTables = Object.keys(forward.removedTables).length > 0;
        return { up: sqlOf(forward), down: dropsTables ? undefined : sqlOf(comparator.compare(target, found)) };
      } finally {
        await client.query('ROLLBACK');
      }
    },
  };
  return tables;
}

/** MikroORM's own way would read all schemas of the database: every tenant's, to compare one. */
async function readTables(
  client: pg.Client,
  driver: AbstractSqlDriver,
  schema: string,
  ignored: readonly string[],
): Promise<DatabaseSchema> {
  const platform = driver.getPlatform();
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
  await helperOf(driver).loadInformationSchema(found, driver.getConnection(), tables, [schema]);
  for (const { table_name, schema_name, definition, kind, populated } of rows) {
    if (definition === null) continue;
    found.addView(table_name, schema_name, definition.trim().replace(/;$/, ''), kind === 'm', populated);
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

function helperOf(driver: AbstractSqlDriver): SchemaHelper {
  const helper = driver.getPlatform().getSchemaHelper();
  if (!helper) throw new Error('This driver of MikroORM cannot read tables');
  return helper;
}

const columnsByNameAlone = 'on cols.table_name = pgc.relname';
const columnsOfOneTable = `${columnsByNameAlone} and pgc.relnamespace = quote_ident(cols.table_schema)::regnamespace`;

/**
 * MikroORM 7.2 finds a column's comment and collation by the name of its table alone, and so reads those of every schema
 * that has such a table.
 */
function mended(text: string): string {
  return text.replace(columnsByNameAlone, columnsOfOneTable);
}

function statementsOf(sql: string): string[] {
  return sql
    .split(/;\s*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

/** Leaves out what tables have beyond the entities, and what differs without being needed. */
function keepNeeded(difference: SchemaDifference): void {
  Object.assign(difference, {
    removedTables: {},
    removedViews: {},
    removedNativeEnums: [],
    orphanedForeignKeys: [],
  });
  for (const table of Object.values(difference.changedTables)) keepNeededOf(table);
}

function keepNeededOf(table: TableDifference): void {
  const { fromTable, changedColumns, renamedColumns } = table;
  const added: Column[] = [...Object.values(table.addedColumns), ...Object.values(renamedColumns)];
  const lacking = added.filter(({ name }) => !fromTable.hasColumn(name));
  const unfit = Object.entries(changedColumns).flatMap(([name, { changedProperties, ...change }]) => {
    const needed = [...changedProperties].filter((property) => property === 'type' || property === 'nullable');
    return needed.length > 0 ? [[name, { ...change, changedProperties: new Set(needed) }] as const] : [];
  });
  for (const key of ['changedComment', 'changedPartitioning', 'changedRlsEnabled', 'changedRlsForced'] as const) {
    delete table[key];
  }
  for (const key of Object.keys(table)) {
    if (/^(removed|changed|renamed)[A-Z]/.test(key)) Reflect.set(table, key, {});
  }
  Object.assign(table, {
    addedColumns: Object.fromEntries(lacking.map((column) => [column.name, column])),
    changedColumns: Object.fromEntries(unfit),
  });
}
