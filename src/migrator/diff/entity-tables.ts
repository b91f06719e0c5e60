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
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import { splitStatements } from '../../postgres/sql/split-statements.ts';
import { rollBack } from '../../postgres/sql/transaction.ts';
import { removeEqualChecks, withWording } from './check-constraints.ts';
import { requiredOnly, withoutAdded } from './required-only.ts';
import { schemaOf, snapshotOf, type TableSnapshot } from './snapshot.ts';
import { warningsOn } from './warnings.ts';

/** The tables that entities describe, to be compared with those that a schema really has, or had. */
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
  /** What the entities say. */
  snapshot(): TableSnapshot;
  /**
   * The tables of the schema `public`, to be kept. Of tables that may have more than the entities, what is kept is what the
   * entities say, but for what they lack.
   */
  read(client: pg.Client): Promise<TableSnapshot>;
  /** Whether the schema `public` has what a snapshot says: no more, unless it may have more than the entities, and no less. */
  has(client: pg.Client, snapshot: TableSnapshot): Promise<boolean>;
  /** What would make tables what the entities say that are as a snapshot says. It needs no database. */
  changesSince(snapshot: TableSnapshot): TableChanges;
}

/** Statements that change tables, and those that take the change back, each in order. */
export interface TableChanges {
  readonly up: readonly string[];
  /** Undefined if MikroORM cannot tell. */
  readonly down: readonly string[] | undefined;
  /** What a person must look at, since tables and entities do not tell it. */
  readonly warnings: readonly string[];
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

/** Where tables are that are in no tenant's schema. MikroORM writes their names without it. */
const PLAIN = 'public';

/** Describes entities' tables. The entities are discovered when they are first compared. */
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

  const changes = (from: DatabaseSchema): TableChanges => {
    const { comparator, target, sqlOf } = open(PLAIN);
    const to = target();
    const forward = comparator.compare(from, to);
    const backward = comparator.compare(to, from, forward);
    return { up: sqlOf(forward), down: sqlOf(backward), warnings: warningsOn(forward, backward) };
  };

  const readFound = async (client: pg.Client, schema: string, driver: AbstractSqlDriver): Promise<DatabaseSchema> => {
    // All catalogs as they were at one moment; names as they stand in migrations, which find the schema first.
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
      SET LOCAL search_path = ${quoteIdentifier(schema)}`);
    try {
      return await readTables(client, driver, schema, ignored);
    } finally {
      await rollBack(client);
    }
  };

  /** Compares the tables that a schema has with what the entities say, or with what a snapshot says. */
  const compareFound = async (client: pg.Client, schema: string, stored?: TableSnapshot) => {
    const { driver, platform, comparator, target, sqlOf } = open(schema, client);
    const found = await readFound(client, schema, driver);
    const wanted = stored ? schemaOf(stored, platform, schema) : target();
    const difference = comparator.compare(found, wanted);
    if (compare === 'needed') requiredOnly(difference);
    const same = await removeEqualChecks(client, schema, difference);
    return { found, wanted, difference, same, sql: sqlOf(difference) };
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
function normalized(text: string): string {
  return text.replace(columnsByNameAlone, columnsOfOneTable);
}
