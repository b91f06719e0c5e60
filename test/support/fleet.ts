import pg from 'pg';
import type { Isolation } from '../../src/catalog/entities/tenant.entity.ts';
import type { KnownTenant } from '../../src/catalog/tenant-directory.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import type { HttpClient } from './http-client.ts';
import { listen } from './listen.ts';
import { type MigrationDir, makeMigrationDir } from './migration-dir.ts';
import { startTestApp, type TestApp } from './start-app.ts';

/** A run as {@link Fleet.run} shows it. */
export interface ShownRun {
  readonly id: string;
  readonly status: string;
  readonly dryRun: boolean;
  readonly checkpoint: string;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
  readonly pending: number;
  readonly items: { readonly totalCount: number; readonly nodes: readonly ShownItem[] };
}

/** One tenant of a {@link ShownRun}. */
export interface ShownItem {
  readonly tenant: { readonly slug: string };
  readonly status: string;
  readonly applied: readonly string[];
  readonly attempts: number;
  readonly error: string | null;
  readonly durationMs: number | null;
}

/** An event as {@link Fleet.events} shows it. */
export interface ShownEvent {
  readonly seq: number;
  readonly at: string;
  readonly kind: string;
  readonly tenant: { readonly slug: string } | null;
  readonly migration: string | null;
  readonly message: string;
  readonly done: number;
  readonly total: number;
}

/** The fields of a {@link ShownRun}. */
export const runFields = `id status dryRun checkpoint createdAt startedAt endedAt
  total succeeded failed skipped cancelled pending
  items(first: 100) { totalCount nodes { tenant { slug } status applied attempts error durationMs } }`;

/** The subscription that gives {@link ShownEvent}s. */
export function progressQuery(run: string, after = 0): string {
  return `subscription { migrationProgress(run: "${run}", after: ${after}) {
    seq at kind tenant { slug } migration message done total } }`;
}

/** How each tenant of a run ended, by its slug. */
export function statusesOf(run: ShownRun): Record<string, string> {
  return Object.fromEntries(run.items.nodes.map(({ tenant, status }) => [tenant.slug, status]));
}

/** What happened to one tenant. */
export function kindsOf(events: readonly ShownEvent[], slug: string): string[] {
  return events.filter(({ tenant }) => tenant?.slug === slug).map(({ kind }) => kind);
}

/** An installation with a folder of migrations of its own, which is asked over HTTP. */
export class Fleet implements AsyncDisposable {
  readonly app: TestApp;
  readonly migrations: MigrationDir;
  /** Asks it over HTTP. */
  readonly http: HttpClient;
  readonly #parts: AsyncDisposable;
  readonly #sessions = new Set<pg.Client>();

  private constructor(app: TestApp, migrations: MigrationDir, http: HttpClient, parts: AsyncDisposable) {
    this.app = app;
    this.migrations = migrations;
    this.http = http;
    this.#parts = parts;
  }

  /** Starts it; `env` overrides settings. */
  static async start(env: Record<string, string> = {}): Promise<Fleet> {
    await using stack = new AsyncDisposableStack();
    const migrations = stack.use(await makeMigrationDir());
    const app = stack.use(await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path, ...env }));
    const http = stack.use(await listen(app.yoga));
    return new Fleet(app, migrations, http, stack.move());
  }

  /** Asks as a platform admin; throws if there is an error in the answer. */
  async ask<Data>(query: string): Promise<Data> {
    const { data, errors } = await this.http.ask<Data>(query, this.app.admin);
    if (errors || !data) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    return data;
  }

  /** Asks as a platform admin for something that is refused, and gives the error. */
  async refusal(query: string): Promise<{ readonly code: string | undefined; readonly message: string }> {
    const { data, errors } = await this.http.ask(query, this.app.admin);
    const error = errors?.[0];
    if (!error) throw new Error(`${query}: was not refused, but answered with ${JSON.stringify(data)}`);
    return { code: error.extensions.code, message: error.message };
  }

  /** Creates tenants, one after the other, so that they are migrated in this order. */
  async createTenants(tenants: Readonly<Record<string, Isolation>>): Promise<void> {
    for (const [slug, isolation] of Object.entries(tenants)) {
      await this.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`,
      );
    }
  }

  /** Runs migrations until the run has ended. */
  async run(input = ''): Promise<ShownRun> {
    const query = `mutation { runMigrations(input: { wait: true ${input} }) { ${runFields} } }`;
    return (await this.ask<{ runMigrations: ShownRun }>(query)).runMigrations;
  }

  /** Starts a run and gives its id at once. */
  async startRun(input = ''): Promise<string> {
    const query = `mutation { runMigrations(input: { wait: false ${input} }) { id } }`;
    return (await this.ask<{ runMigrations: { id: string } }>(query)).runMigrations.id;
  }

  /** Cancels a run, unless it has ended; tells whether it did. */
  async cancel(run: string): Promise<boolean> {
    const { errors } = await this.http.ask(`mutation { cancelMigrationRun(id: "${run}") { id } }`, this.app.admin);
    const code = errors?.[0]?.extensions.code;
    if (errors && code !== 'CONFLICT') throw new Error(`The run cannot be cancelled: ${JSON.stringify(errors)}`);
    return !errors;
  }

  /** Does again what a run has left, until it has ended. */
  async resume(run: string): Promise<ShownRun> {
    await this.ask(`mutation { resumeMigrationRun(id: "${run}") { id } }`);
    await this.events(run);
    return this.runNow(run);
  }

  /** A run as it is now. */
  async runNow(id: string): Promise<ShownRun> {
    return (await this.ask<{ migrationRun: ShownRun }>(`{ migrationRun(id: "${id}") { ${runFields} } }`)).migrationRun;
  }

  /** A run's events, as they come; ends with the run. */
  async *follow(run: string, after = 0, signal?: AbortSignal): AsyncGenerator<ShownEvent, string, undefined> {
    const query = progressQuery(run, after);
    const results = this.http.subscribe<{ migrationProgress: ShownEvent }>(query, this.app.admin, signal);
    for (;;) {
      const { value, done } = await results.next();
      if (done) return value;
      if (!value.data) throw new Error(JSON.stringify(value.errors));
      yield value.data.migrationProgress;
    }
  }

  /** All events of a run, when it has ended. */
  async events(run: string, after = 0): Promise<ShownEvent[]> {
    const events: ShownEvent[] = [];
    for await (const event of this.follow(run, after)) events.push(event);
    return events;
  }

  /** The catalog's row of a tenant. */
  async tenant(slug: string): Promise<KnownTenant> {
    const tenant = await this.app.services.directory.byReference(slug);
    if (!tenant) throw new Error(`There is no tenant ${slug}`);
    return tenant;
  }

  /** A session of the owner's in a database, apart from the app's connections. It is ended with the fleet. */
  async session(database: string): Promise<pg.Client> {
    const server = this.app.services.servers.get('default');
    if (!server?.address) throw new Error('There is no server');
    const { host, port, user, password } = server.address;
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    this.#sessions.add(client);
    return client;
  }

  /** A session in a tenant's database, whose unqualified names are the tenant's tables. */
  async sessionIn(slug: string): Promise<pg.Client> {
    const { database, schema } = await this.tenant(slug);
    const client = await this.session(database);
    await client.query(`SET search_path = ${quoteIdentifier(schema)}`);
    return client;
  }

  /** Sends one statement to a tenant's database, as the owner. */
  async inTenant<Row extends pg.QueryResultRow>(slug: string, sql: string): Promise<Row[]> {
    const client = await this.sessionIn(slug);
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await this.end(client);
    }
  }

  /** The names of the migrations that a tenant's own history calls applied. */
  async applied(slug: string): Promise<string[]> {
    const sql = `SELECT name FROM migration_history WHERE status = 'APPLIED' ORDER BY name`;
    return (await this.inTenant<{ name: string }>(slug, sql)).map(({ name }) => name);
  }

  /** What the catalog knows of a tenant's migrations. */
  async versionOf(slug: string): Promise<{ readonly version: string | null; readonly behind: number }> {
    const query = `{ tenant(slug: "${slug}") { version behind } }`;
    return (await this.ask<{ tenant: { version: string | null; behind: number } }>(query)).tenant;
  }

  /** Sends one statement to the catalog. */
  async inCatalog<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.app.services.catalog.use((client) => client.query<Row>(sql, values))).rows;
  }

  /** Ends a session before the fleet ends. */
  async end(session: pg.Client): Promise<void> {
    this.#sessions.delete(session);
    await session.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.end()));
    await this.#parts[Symbol.asyncDispose]();
  }
}
