import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Isolation } from '../../src/catalog/entities/tenant.entity.ts';
import { compareFacts, describeDifference } from '../../src/migrator/compare/differences.ts';
import { readSchemaFacts, type SchemaFacts } from '../../src/migrator/compare/schema-facts.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { Fleet, type ShownRun } from './fleet.ts';
import type { GeneratedList, GeneratedMigration } from './generated-migrations.ts';
import { runCommand } from './run-command.ts';
import { startTestPostgres, type TestPostgres } from './start-postgres.ts';
import { mapAtOnce } from './tenants.ts';

/** A tenant as it is after some way of applying migrations. */
interface TenantState {
  readonly facts: SchemaFacts;
  /** The names and hashes of applied migrations, in order of application. */
  readonly history: readonly string[];
}

/** What came of one way. */
interface WayResult {
  readonly way: string;
  /** The migration that failed or was refused; empty if the way does not name it; undefined if all were applied. */
  readonly failed: string | undefined;
  readonly state: TenantState | undefined;
}

/** What came of applying one migration after the other, in a database and in a schema. */
interface Reference {
  /** The states of both before all, and after each migration. */
  readonly states: readonly (readonly TenantState[])[];
  readonly failures: readonly (string | undefined)[];
  readonly last: readonly TenantState[];
}

const isolations = ['DATABASE', 'SCHEMA'] as const satisfies readonly Isolation[];

/** Tenants that are created at once while the folder has only its first migrations, since the template is built anew after each list. */
const STOCK = 9;

/** One installation in which lists of migrations are applied in every way, each to tenants of its own. */
export class MigrationWays implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly #postgres: TestPostgres;
  readonly #parts: AsyncDisposable;
  readonly #hasPsql: boolean;
  readonly #stock: Record<Isolation, string[]> = { DATABASE: [], SCHEMA: [] };
  #tenants = 0;
  #lists = 0;

  private constructor(fleet: Fleet, postgres: TestPostgres, hasPsql: boolean, parts: AsyncDisposable) {
    this.fleet = fleet;
    this.#postgres = postgres;
    this.#hasPsql = hasPsql;
    this.#parts = parts;
  }

  /** Starts it, on a server whose settings are other than PostgreSQL's own. */
  static async start(): Promise<MigrationWays> {
    await using stack = new AsyncDisposableStack();
    const settings = { fsync: 'off', timezone: 'Asia/Tokyo', datestyle: 'ISO, DMY' };
    const postgres = stack.use(await startTestPostgres(settings));
    const fleet = stack.use(await Fleet.start(postgres.env));
    return new MigrationWays(fleet, postgres, await isThere('psql'), stack.move());
  }

  /**
   * Applies a list in every way.
   * @returns how the ways differ, in words; empty if they don't
   */
  async differences({ migrations }: GeneratedList, concurrency: number): Promise<string[]> {
    this.#lists += 1;
    const names = migrations.map((_, index) => `2027010100000${index + 1}_list_${this.#lists}`);
    const used: string[] = [];
    const take = async () => {
      const taken = await Promise.all(isolations.map((isolation) => this.#take(isolation)));
      used.push(...taken);
      return taken;
    };
    const [single, together, scripted] = [await take(), await take(), this.#hasPsql ? await take() : []];
    try {
      for (const [index, migration] of migrations.entries()) await this.#write(names[index] ?? '', migration);
      // At once, because no way may disturb another.
      const [reference, ...results] = await Promise.all([
        this.#oneByOne(single, names),
        this.#inOneRun(together, concurrency),
        this.#hasPsql ? this.#byPsql(scripted) : [],
        this.#asNewTenants(used),
      ]);
      return compare(reference, results.flat(), migrations);
    } finally {
      await mapAtOnce(used, 4, (slug) =>
        this.fleet.ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { id } }`),
      );
      await this.fleet.migrations.remove(...names);
    }
  }

  #write(name: string, { statements, alone }: GeneratedMigration): Promise<void> {
    const adds = statements.map((sql) => `this.addSql(${JSON.stringify(sql)});`).join(' ');
    // A batch in parts is reverted by down(), and these leave nothing to revert but the index.
    return this.fleet.migrations.addClass(
      name,
      `${alone ? 'override isTransactional() { return false; }' : ''} override up() { ${adds} } override down() {}`,
    );
  }

  async #take(isolation: Isolation): Promise<string> {
    const stock = this.#stock[isolation];
    if (stock.length === 0) {
      const made = Array.from({ length: STOCK }, () => this.#slug(isolation));
      await mapAtOnce(made, 3, (slug) => this.fleet.createTenants({ [slug]: isolation }));
      stock.push(...made);
    }
    return stock.pop() ?? '';
  }

  #slug(isolation: Isolation): string {
    this.#tenants += 1;
    return `${isolation.toLowerCase()}-${this.#tenants}`;
  }

  /** @returns the states after each migration, the first one before all; they must be the same in both isolations */
  async #oneByOne(slugs: readonly string[], names: readonly string[]): Promise<Reference> {
    const read = () => Promise.all(slugs.map((slug) => this.#state(slug)));
    const states = [await read()];
    for (const name of names) {
      const run = await this.fleet.run(`, to: "${name}", tenants: ${JSON.stringify(slugs)}`);
      const failures = slugs.map((slug) => failureOf(run, slug));
      if (failures.some((failed) => failed !== undefined)) return { states, failures, last: await read() };
      states.push(await read());
    }
    return { states, failures: slugs.map(() => undefined), last: states.at(-1) ?? [] };
  }

  async #inOneRun(slugs: readonly string[], concurrency: number): Promise<WayResult[]> {
    const run = await this.fleet.run(`, concurrency: ${concurrency}, tenants: ${JSON.stringify(slugs)}`);
    return this.#results('in one run', slugs, (slug) => failureOf(run, slug));
  }

  async #byPsql(slugs: readonly string[]): Promise<WayResult[]> {
    const { exit, stdout, stderr } = await runCommand(['migrate', 'up', '--sql', '--tenant', ...slugs], {
      NODE_ENV: 'test',
      DATA_DIR: this.fleet.app.services.config.dataDir,
      TENANT_MIGRATIONS_DIR: this.fleet.migrations.path,
      ...this.#postgres.env,
    });
    const isLeftOut = slugs.some((slug) => stderr.includes(slug));
    if (!isLeftOut && !stdout.includes('-- Plan'))
      throw new Error(`migrate up --sql printed no plan and ended with ${exit}: ${stdout}${stderr}`);
    const file = path.join(this.fleet.migrations.path, 'script.sql');
    await writeFile(file, stdout);
    const failures = new Map<string, string>();
    for (const slug of slugs) {
      if (stderr.includes(slug)) failures.set(slug, nameIn(stderr));
      else if (!(await this.#psqlRuns(slug, file))) failures.set(slug, '');
    }
    return this.#results('by --sql and psql', slugs, (slug) => failures.get(slug));
  }

  async #psqlRuns(slug: string, file: string): Promise<boolean> {
    const { database, schema, isolation } = await this.fleet.tenant(slug);
    const { host: PGHOST, port, user: PGUSER, password: PGPASSWORD } = this.#postgres.address;
    const place = isolation === 'SCHEMA' ? ['-v', `schema=${schema}`] : [];
    const env = { ...process.env, PGHOST, PGPORT: String(port), PGUSER, PGPASSWORD };
    return promisify(execFile)('psql', ['-X', ...place, '-f', file, database], { env }).then(
      () => true,
      () => false,
    );
  }

  async #asNewTenants(used: string[]): Promise<WayResult[]> {
    const slugs = isolations.map((isolation) => this.#slug(isolation));
    const failures = new Map<string, string>();
    const create = async (slug: string, isolation: Isolation) => {
      try {
        await this.fleet.createTenants({ [slug]: isolation });
        used.push(slug);
      } catch (error) {
        failures.set(slug, nameIn(String(error)));
      }
    };
    await Promise.all(isolations.map((isolation, index) => create(slugs[index] ?? '', isolation)));
    return this.#results('as a new tenant', slugs, (slug) => failures.get(slug));
  }

  #results(
    way: string,
    slugs: readonly string[],
    failureOf: (slug: string) => string | undefined,
  ): Promise<WayResult[]> {
    return Promise.all(
      slugs.map(async (slug) => ({
        way: `${way} (${slug.split('-')[0]})`,
        failed: failureOf(slug),
        state: (await this.fleet.app.services.directory.byReference(slug)) ? await this.#state(slug) : undefined,
      })),
    );
  }

  async #state(slug: string): Promise<TenantState> {
    const { database, schema } = await this.fleet.tenant(slug);
    const session = await this.fleet.session(database);
    try {
      const facts = new Map(await readSchemaFacts(session, schema));
      await session.query(`SET TIME ZONE 'UTC'; SET DateStyle = ISO; SET search_path = ${quoteIdentifier(schema)}`);
      for (const [fact, definition] of [...facts]) {
        if (!fact.startsWith('table ') || !/^[rpm] /.test(definition)) continue;
        const table = fact.slice('table '.length);
        const { rows } = await session.query(`SELECT x::text AS row FROM ${quoteIdentifier(table)} x ORDER BY 1`);
        facts.set(`rows ${table}`, rows.map(({ row }) => row).join(' '));
      }
      const { rows: applied } = await session.query(
        `SELECT name || ' ' || hash AS line FROM migration_history WHERE status = 'APPLIED' ORDER BY id`,
      );
      return { facts, history: applied.map(({ line }) => line) };
    } finally {
      await this.fleet.end(session);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}

/** The migration that an error names. */
function nameIn(text: string): string {
  return /20270101\d{6}_list_\d+/.exec(text)?.[0] ?? '';
}

function failureOf(run: ShownRun, slug: string): string | undefined {
  const item = run.items.nodes.find(({ tenant }) => tenant.slug === slug);
  return item?.status === 'SUCCEEDED' || item?.status === 'SKIPPED' ? undefined : nameIn(item?.error ?? '');
}

/** @returns how the other ways differ from one by one in a database, in words */
function compare(
  { states, failures, last }: Reference,
  results: readonly WayResult[],
  migrations: readonly GeneratedMigration[],
): string[] {
  const found: string[] = [];
  const inDatabase = states.map(([state]) => state);
  const [failed, failedInSchema] = failures;
  // A batch in parts that fails in a schema is reverted by down(), and the generated ones leave everything.
  const isDivided = migrations.some(
    ({ alone, statements }) => alone || /ADD VALUE|SET CONSTRAINTS/.test(statements.join()),
  );
  const isReverted = failed !== undefined && isDivided;
  const appliedIn = (state: TenantState) => state.history.length - (inDatabase[0]?.history.length ?? 0);
  /** Every way leaves a tenant as it is after some of the migrations. */
  const tell = (way: string, state: TenantState) => {
    const expected = inDatabase[appliedIn(state)];
    if (!expected || isReverted) return;
    if (state.history.join() !== expected.history.join())
      found.push(`the history is ${state.history.join()} ${way}, but ${expected.history.join()} one by one`);
    for (const difference of compareFacts(expected.facts, state.facts))
      found.push(describeDifference(difference, ['one by one in a database', way]));
  };
  if (failedInSchema !== failed)
    found.push(`it fails at ${failed} in a database, but at ${failedInSchema} in a schema`);
  for (const [, inSchema] of states) if (inSchema) tell('one by one in a schema', inSchema);
  for (const state of last) tell('one by one, after the failure', state);
  for (const { way, failed: here, state } of results) {
    // What cannot be applied at all is refused before an earlier migration can fail. Nothing is left of a new tenant then.
    const isUntouched = !state || appliedIn(state) === 0;
    const isEarlier = here !== undefined && failed !== undefined && here > failed && isUntouched;
    const isSame = here === failed || (here === '' && failed !== undefined);
    if (!isSame && !isEarlier)
      found.push(`it fails at ${here ?? 'nothing'} ${way}, but at ${failed ?? 'nothing'} one by one`);
    if (!state) continue;
    const isComplete = here === undefined && failed === undefined;
    if (isComplete && appliedIn(state) !== migrations.length)
      found.push(`${appliedIn(state)} of ${migrations.length} are applied ${way}`);
    tell(way, state);
  }
  return found;
}

function isThere(program: string): Promise<boolean> {
  return promisify(execFile)(program, ['--version']).then(
    () => true,
    () => false,
  );
}
