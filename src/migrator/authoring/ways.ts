import type pg from 'pg';
import type { MigrationScope } from '../../catalog/entities/migration-record.entity.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import { migrateDatabase } from '../apply/apply.ts';
import type { MigrateOptions } from '../apply/batch.ts';
import { compareFacts, describeDifference, essential, type FactDifference } from '../compare/differences.ts';
import { readRowFacts, readSettingFacts } from '../compare/row-facts.ts';
import { readSchemaFacts, type SchemaFacts } from '../compare/schema-facts.ts';
import { createHistorySql } from '../files/history.ts';
import type { MigrationFile } from '../files/migration-file.ts';
import { type EmptySchema, emptySchemaOf, type InScratchDatabase } from './scratch-database.ts';

/** The migrations to apply in several ways. */
export interface WaysOptions {
  readonly scope: MigrationScope;
  readonly files: readonly MigrationFile[];
  readonly lockTimeoutMs: number;
  readonly inScratchDatabase: InScratchDatabase;
}

/** An object that depends on how the migrations are applied. */
export interface WayDifference {
  /** The migration that creates or changes it; undefined if that is not known. */
  readonly migration: string | undefined;
  readonly message: string;
}

/** The failure of a way of applying migrations that work when they are applied in one go. */
export class WayFailedError extends Error {
  override readonly name = 'WayFailedError';

  /** @param way how the migrations were applied, as the end of a sentence */
  constructor(way: string, cause: unknown) {
    super(`This fails ${way}`, { cause });
  }
}

const ONE_GO = 'with all files in one run';
const ONE_BY_ONE = 'with one file after the other';
const AGAIN = 'when everything is reverted and applied again';

/**
 * Applies migrations to empty databases in other ways than in one go, and compares what they give: file by file; again,
 * after all are reverted; and, for tenants, to two schemas of one database.
 * @param oneGo what the migrations give when all are applied in one go
 * @throws {WayFailedError} if a way fails
 */
export async function compareWays(options: WaysOptions, oneGo: SchemaFacts): Promise<readonly WayDifference[]> {
  const { scope, files, inScratchDatabase } = options;
  if (files.length === 0) return [];
  const found: (FactDifference & { readonly way: string })[] = [];
  const compare = (way: string, facts: SchemaFacts, isComparable: (fact: string) => boolean) => {
    const differences = essential(compareFacts(oneGo, facts)).filter(({ fact }) => isComparable(fact));
    found.push(...differences.map((difference) => ({ ...difference, way })));
  };
  // A value that two equal ways make differently is a random one or a time.
  const isComparable = await inScratchDatabase(async (client) => {
    if (scope !== 'TENANT') return comparableFacts(oneGo, await applyInOneGo(client, options));
    const [one, two] = [
      await applyInOneGo(client, options, 'in a schema', tenantSchema('tenant_check_one')),
      await applyInOneGo(client, options, 'in a second schema of the same database', tenantSchema('tenant_check_two')),
    ];
    const comparable = comparableFacts(one, two);
    compare('in a schema', one, comparable);
    compare('in a second schema of the same database', two, comparable);
    return comparable;
  });
  await inScratchDatabase(async (client) => {
    const { schema } = emptySchemaOf(scope);
    await applyOneByOne(client, options);
    compare(ONE_BY_ONE, await readFacts(client, schema), isComparable);
    if (files.some(({ reversible }) => !reversible)) return;
    await migrate(client, options, AGAIN, { schema, down: { kind: 'steps', steps: files.length } });
    await migrate(client, options, AGAIN, { schema });
    compare(AGAIN, await readFacts(client, schema), isComparable);
  });
  if (found.length === 0) return [];
  const changedBy = await inScratchDatabase((client) => findAuthors(client, options));
  return found.map(({ way, ...difference }) => ({
    migration: changedBy.get(difference.fact),
    message: describeDifference(difference, [ONE_GO, way]),
  }));
}

/** Applies all migrations to an empty schema in one go. */
export async function applyInOneGo(
  client: pg.Client,
  options: Omit<WaysOptions, 'inScratchDatabase'>,
  way = ONE_GO,
  empty = emptySchemaOf(options.scope),
): Promise<SchemaFacts> {
  await migrate(client, options, way, empty);
  return readFacts(client, empty.schema);
}

function tenantSchema(schema: string): EmptySchema {
  return { schema, setupSql: `CREATE SCHEMA ${quoteIdentifier(schema)}; ${createHistorySql(schema, 'TENANT')}` };
}

async function applyOneByOne(
  client: pg.Client,
  options: WaysOptions,
  afterEach?: (file: MigrationFile) => Promise<void>,
): Promise<void> {
  const { schema, setupSql } = emptySchemaOf(options.scope);
  for (const [index, file] of options.files.entries()) {
    await migrate(client, options, ONE_BY_ONE, { schema, to: file.name, ...(index === 0 && { setupSql }) });
    await afterEach?.(file);
  }
}

/** Finds out, for each fact, which migration was the last to change it. */
async function findAuthors(client: pg.Client, options: WaysOptions): Promise<ReadonlyMap<string, string>> {
  const authors = new Map<string, string>();
  let before: SchemaFacts = new Map();
  await applyOneByOne(client, options, async ({ name }) => {
    const facts = await readFacts(client, emptySchemaOf(options.scope).schema);
    for (const { fact } of compareFacts(before, facts)) authors.set(fact, name);
    before = facts;
  });
  return authors;
}

async function readFacts(client: pg.Client, schema: string): Promise<SchemaFacts> {
  const facts = await readSchemaFacts(client, schema);
  return new Map([...facts, ...(await readRowFacts(client, schema, facts)), ...(await readSettingFacts(client))]);
}

function comparableFacts(one: SchemaFacts, other: SchemaFacts): (fact: string) => boolean {
  return (fact) => !fact.startsWith('values ') || one.get(fact) === other.get(fact);
}

async function migrate(
  client: pg.Client,
  { scope, files, lockTimeoutMs }: Omit<WaysOptions, 'inScratchDatabase'>,
  way: string,
  how: Pick<MigrateOptions, 'schema' | 'setupSql' | 'to' | 'down'>,
): Promise<void> {
  try {
    await migrateDatabase(client, { scope, files, lockTimeoutMs, ...how });
  } catch (error) {
    throw new WayFailedError(way, error);
  }
}
