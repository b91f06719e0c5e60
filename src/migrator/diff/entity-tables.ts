import type { EntitySchema } from '@mikro-orm/postgresql';
import { DatabaseSchema, SchemaComparator, type SchemaDifference, SchemaGenerator } from '@mikro-orm/sql';
import type pg from 'pg';
import { asPoolClient, createEntityDatabases } from '../../orm/databases.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import { splitStatements } from '../../postgres/sql/statements.ts';
import { rollBack } from '../../postgres/sql/transaction.ts';
import { searchPathOf } from '../files/common-schema.ts';
import { completeKeys, escapeDefaults } from './corrections.ts';
import { type Definitions, readDefinitions, verdictOn, wordStatements } from './definitions.ts';
import { remadeEnums, remakeEnumSql } from './enum-values.ts';
import { leaveAlone } from './left-alone.ts';
import { namesOf, type TooLongName, tooLongNames } from './long-names.ts';
import { normalized, readTables } from './read-tables.ts';
import { requiredOnly, withoutAdded } from './required-only.ts';
import { inSchema, PLAIN, withoutSchema } from './schema-names.ts';
import { changesTexts, settle } from './settle.ts';
import { schemaOf, snapshotOf, type TableSnapshot } from './snapshot.ts';
import { warningsOn } from './warnings.ts';
import { definitionsOf, inWordsOf } from './words.ts';

/** The tables that entities describe, to compare with those of a schema or a snapshot. */
export interface EntityTables {
  /**
   * Returns the SQL that makes a schema's tables match the entities, in order of execution; empty if there is no
   * difference. It may drop what the entities don't have, so review it first.
   *
   * It compares tables, columns, indexes and constraints, and the triggers, policies, views, enums and comments that the
   * entities declare, in PostgreSQL's words. It leaves alone what migrations make by hand: see `leaveAlone`, and
   * functions, standalone sequences, domains, extensions, privileges and storage.
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
  /** The entities' names that PostgreSQL would cut. */
  tooLongNames(): readonly TooLongName[];
}

/** Statements that change tables, and those that revert the change, each in order. */
export interface TableChanges {
  readonly up: readonly string[];
  /** Undefined if MikroORM cannot derive them. */
  readonly down: readonly string[] | undefined;
  /** What an author must check, because it cannot be derived. */
  readonly warnings: readonly string[];
  /**
   * Whether a text is changed, such as that of a check. It may mean the same: compare with a snapshot from
   * {@link EntityTables.read}, which has the entities' words for everything that PostgreSQL understands as the same.
   */
  readonly changesTexts: boolean;
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

/** Describes entities' tables. The entities are discovered on first use. */
export function entityTables(
  entities: readonly EntitySchema[],
  { ignored, compare }: EntityTablesOptions,
): EntityTables {
  let databases: ReturnType<typeof createEntityDatabases> | undefined;
  /** How each version of PostgreSQL words the entities' tables. */
  const words = new Map<string, Definitions>();

  const open = (schema: string, client?: pg.Client) => {
    const isFirst = !databases;
    databases ??= createEntityDatabases(entities);
    const lent = client && asPoolClient(client, normalized);
    const connect = async () => lent ?? Promise.reject(new Error('This comparison has no database'));
    const em = databases.open({ connect, end: async () => undefined }).fork(schema);
    if (isFirst) escapeDefaults(em.getMetadata().getAll().values());
    const generator = new SchemaGenerator(em);
    return {
      driver: em.getDriver(),
      platform: em.getPlatform(),
      metadata: em.getMetadata(),
      comparator: new SchemaComparator(em.getPlatform()),
      target: () => completeKeys(generator.getTargetSchema(schema, true)),
      sqlOf: (difference: SchemaDifference) =>
        statementsOf(generator.diffToSQL(difference, { wrap: false, schema, dropTables: true }), difference, schema),
    };
  };

  const changes = async (before: TableSnapshot): Promise<TableChanges> => {
    const { comparator, platform, target, sqlOf } = open(PLAIN);
    const [from, to] = [schemaOf(before, platform, PLAIN), target()];
    const [one, other] = [definitionsOf(before), definitionsOf(snapshotOf(to))];
    const forward = comparator.compare(from, to);
    settle(forward, from, to, verdictOn(one, other));
    const backward = comparator.compare(to, from, forward);
    settle(backward, to, from, verdictOn(other, one));
    const down = await sqlOf(backward);
    return {
      changesTexts: changesTexts(forward),
      warnings: warningsOn(forward, backward),
      up: await sqlOf(forward),
      down: down.length > 0 ? down : undefined,
    };
  };

  /** How PostgreSQL words wanted tables. */
  const wordsOf = async (client: pg.Client, schema: string, wanted?: TableSnapshot): Promise<Definitions> => {
    const { rows } = await client.query<{ version: string }>(`SELECT current_setting('server_version') AS version`);
    const version = rows[0]?.version ?? '';
    const known = wanted ? undefined : words.get(version);
    if (known) return known;
    const { comparator, platform, target, sqlOf } = open(PLAIN);
    const tables = wanted ? schemaOf(wanted, platform, PLAIN) : target();
    for (const table of tables.getTables()) table.setForeignKeys({});
    const sql = await sqlOf(comparator.compare(new DatabaseSchema(platform, PLAIN), tables));
    const { definitions, complete } = await wordStatements(client, schema, sql);
    if (!wanted && complete) words.set(version, definitions);
    return definitions;
  };

  /** Compares a schema's tables with the entities or with a snapshot. */
  const compareFound = async (client: pg.Client, schema: string, stored?: TableSnapshot) => {
    const { driver, platform, comparator, target, sqlOf } = open(schema, client);
    const said = await wordsOf(client, schema, stored);
    // All catalogs in one snapshot. Names are unqualified as in migrations, which use the search path.
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
      SET LOCAL search_path = ${searchPathOf(schema)}`);
    const read = async () => ({
      found: await readTables(client, driver, schema, ignored),
      verdict: verdictOn(await readDefinitions(client, schema), said),
    });
    const { found, verdict } = await read().finally(() => rollBack(client));
    const wanted = stored ? schemaOf(stored, platform, schema) : target();
    leaveAlone(found, wanted);
    const difference = comparator.compare(found, wanted);
    settle(difference, found, wanted, verdict);
    if (compare === 'needed') requiredOnly(difference);
    return { found, wanted, difference, verdict, sql: await sqlOf(difference) };
  };

  return {
    differences: async (client, schema) => (await compareFound(client, schema)).sql,
    snapshot: () => snapshotOf(open(PLAIN).target()),
    async read(client) {
      const { found, wanted, difference, verdict } = await compareFound(client, PLAIN);
      const says = snapshotOf(wanted);
      const has = inWordsOf(snapshotOf(found), says, verdict);
      return compare === 'all' ? has : withoutAdded(says, has, difference);
    },
    has: async (client, snapshot) => (await compareFound(client, PLAIN, snapshot)).sql.length === 0,
    changesSince: changes,
    tooLongNames() {
      const { metadata, target } = open(PLAIN);
      return tooLongNames(namesOf(target(), [...metadata.getAll().values()]));
    },
  };
}

/** The statements of a difference, with those that MikroORM does not write. */
async function statementsOf(sql: string, difference: SchemaDifference, schema: string): Promise<string[]> {
  const quoted = quoteIdentifier(schema);
  const place = schema === PLAIN ? withoutSchema : (statement: string) => inSchema(statement, quoted);
  const prefix = schema === PLAIN ? '' : `${quoted}.`;
  const remade = remadeEnums(difference).map((found, index) => ({ ...found, ...remakeEnumSql(found, prefix, index) }));
  // The new type has the added values already.
  const added = remade.map(({ name }) => `alter type ${prefix}${quoteIdentifier(name)} add value`);
  const statements = (await splitStatements(sql))
    .map(place)
    .map(withoutCascade)
    .filter((statement) => !added.some((beginning) => statement.startsWith(beginning)));
  // A view, an index or a check that uses the old type must be gone before a column gets the new one.
  const isEarly = (statement: string) =>
    remade.length > 0 && /^(?:drop (?:materialized )?view|drop index|alter table .+ drop constraint) /.test(statement);
  return [
    ...statements.filter(isEarly),
    ...remade.flatMap(({ first }) => first),
    ...statements.filter((statement) => !isEarly(statement)),
    ...remade.map(({ last }) => last),
  ];
}

/** With CASCADE, PostgreSQL would drop views by hand that use this one. Those of entities are dropped before it. */
function withoutCascade(statement: string): string {
  return /^drop (?:materialized )?view /.test(statement) ? statement.replace(/ cascade$/, '') : statement;
}
