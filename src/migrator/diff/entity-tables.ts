import type { EntitySchema } from '@mikro-orm/postgresql';
import {
  type AbstractSqlDriver,
  DatabaseSchema,
  SchemaComparator,
  type SchemaDifference,
  SchemaGenerator,
  type SchemaHelper,
} from '@mikro-orm/sql';
import type pg from 'pg';
import { asPoolClient, createEntityDatabases } from '../../orm/databases.ts';
import { splitStatements } from '../../postgres/sql/statements.ts';
import { rollBack } from '../../postgres/sql/transaction.ts';
import { commonSchema, searchPathOf } from '../files/common-schema.ts';
import { removeEqualChecks, withWording } from './check-constraints.ts';
import { ignoreKeysToCommon } from './keys-to-common.ts';
import { requiredOnly, withoutAdded } from './required-only.ts';
import { schemaOf, snapshotOf, type TableSnapshot } from './snapshot.ts';
import { warningsOn } from './warnings.ts';

/** The tables that entities describe, to compare with those of a schema or a snapshot. */
export interface EntityTables {
  /**
   * Returns the SQL that makes a schema's tables match the entities, in order of execution; empty if there is no
   * difference. It may drop what the entities don't have, so review it first.
   *
   * It compares tables, columns, indexes, constraints, triggers, policies, views, enums and comments. It doesn't
   * compare what entities cannot describe: functions, standalone sequences, domains, extensions, privileges, storage and
   * foreign keys to tables of `common`. Indexes on expressions and triggers declared as raw SQL are compared by name only.
   * @param client the owner's connection, outside a transaction: a role sees only the columns on which it has
   *   privileges
   * @param schema the schema of entities that are declared with `schema: '*'`
   */
  differences(client: pg.Client, schema: string): Promise<readonly string[]>;
  /** The tables that the entities describe. */
  snapshot(): TableSnapshot;
  /**
   * The tables of the schema `public`, to store as a snapshot. If tables may have more than the entities, it holds the
   * entities' tables without what the schema lacks.
   */
  read(client: pg.Client): Promise<TableSnapshot>;
  /**
   * Whether the schema `public` matches a snapshot: nothing missing, and nothing extra unless tables may have more than
   * the entities.
   */
  has(client: pg.Client, snapshot: TableSnapshot): Promise<boolean>;
  /** The changes that turn a snapshot's tables into the entities' tables. It needs no database. */
  changesSince(snapshot: TableSnapshot): Promise<TableChanges>;
}

/** Statements that change tables, and those that revert the change, each in order. */
export interface TableChanges {
  readonly up: readonly string[];
  /** Undefined if MikroORM cannot derive them. */
  readonly down: readonly string[] | undefined;
  /** What an author must check, because it cannot be derived. */
  readonly warnings: readonly string[];
}

/** How entities and tables correspond. */
export interface EntityTablesOptions {
  /** Tables that no entity describes. */
  readonly ignored: readonly string[];
  /**
   * `all`: anything that the entities don't have is a difference too. `needed`: tables may have more; only what the
   * entities need is compared: their tables, columns, types and constraints.
   */
  readonly compare: 'all' | 'needed';
}

/** The schema of tables outside tenants' schemas. MikroORM writes their names without it. */
const PLAIN = 'public';

/** Describes entities' tables. The entities are discovered on first use. */
export function entityTables(
  entities: readonly EntitySchema[],
  { ignored, compare }: EntityTablesOptions,
): EntityTables {
  let databases: ReturnType<typeof createEntityDatabases> | undefined;

  const open = (schema: string, client?: pg.Client) => {
    databases ??= createEntityDatabases(entities);
    const lent = client && asPoolClient(client, normalized);
    const connect = async () => lent ?? Promise.reject(new Error('This comparison has no database'));
    const em = databases.open({ connect, end: async () => undefined }).fork(schema);
    const generator = new SchemaGenerator(em);
    return {
      driver: em.getDriver(),
      platform: em.getPlatform(),
      comparator: new SchemaComparator(em.getPlatform()),
      target: () => generator.getTargetSchema(schema, true),
      sqlOf: (difference: SchemaDifference) =>
        splitStatements(generator.diffToSQL(difference, { wrap: false, schema, dropTables: true })),
    };
  };

  const changes = async (from: DatabaseSchema): Promise<TableChanges> => {
    const { comparator, target, sqlOf } = open(PLAIN);
    const to = target();
    const forward = comparator.compare(from, to);
    const backward = comparator.compare(to, from, forward);
    return { up: await sqlOf(forward), down: await sqlOf(backward), warnings: warningsOn(forward, backward) };
  };

  const readFound = async (client: pg.Client, schema: string, driver: AbstractSqlDriver): Promise<DatabaseSchema> => {
    // All catalogs in one snapshot. Names are unqualified as in migrations, which use the search path.
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
      SET LOCAL search_path = ${searchPathOf(schema)}`);
    try {
      return await readTables(client, driver, schema, ignored);
    } finally {
      await rollBack(client);
    }
  };

  /** Compares a schema's tables with the entities or with a snapshot. */
  const compareFound = async (client: pg.Client, schema: string, stored?: TableSnapshot) => {
    const { driver, platform, comparator, target, sqlOf } = open(schema, client);
    const found = await readFound(client, schema, driver);
    const wanted = stored ? schemaOf(stored, platform, schema) : target();
    ignoreKeysToCommon(found, wanted);
    const difference = comparator.compare(found, wanted);
    if (compare === 'needed') requiredOnly(difference);
    const same = await removeEqualChecks(client, schema, difference);
    return { found, wanted, difference, same, sql: await sqlOf(difference) };
  };

  return {
    differences: async (client, schema) => (await compareFound(client, schema)).sql,
    snapshot: () => snapshotOf(open(PLAIN).target()),
    async read(client) {
      const { found, wanted, difference, same } = await compareFound(client, PLAIN);
      const has = withWording(snapshotOf(found), same);
      return compare === 'all' ? has : withoutAdded(snapshotOf(wanted), has, difference);
    },
    has: async (client, snapshot) => (await compareFound(client, PLAIN, snapshot)).sql.length === 0,
    changesSince: (snapshot) => changes(schemaOf(snapshot, open(PLAIN).platform, PLAIN)),
  };
}

/** MikroORM itself would read all schemas of the database, that is every tenant's, to compare one. */
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

const schemaOfType = /^[ \t]+udt_schema,$/m;
const schemaOfTypeButCommon = `nullif(udt_schema, '${commonSchema}') AS udt_schema,`;

/**
 * MikroORM 7.2 finds a column's comment and collation only by the table's name, so it reads those of every schema with
 * such a table. And it writes a type of another schema with that schema, but entities name those of `common` without.
 */
function normalized(text: string): string {
  return text.replace(columnsByNameAlone, columnsOfOneTable).replace(schemaOfType, schemaOfTypeButCommon);
}
