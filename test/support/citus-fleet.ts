import { cp } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, vi } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { type CitusInstallation, citusUrl, makeCitusInstallation } from './citus.ts';
import { captureLog } from './log-lines.ts';
import { type MigrationDir, makeMigrationDir } from './migration-dir.ts';
import { commandsOf } from './run-command.ts';
import { startTestApp, type TestApp } from './start-app.ts';

/** Where a tenant is. */
export interface NodePlace {
  readonly key: string;
  readonly placement: { readonly schema: string; readonly node: string | null };
}

interface EndedRun {
  readonly id: string;
  readonly status: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly items: {
    readonly nodes: readonly { readonly tenant: { readonly slug: string }; readonly error: string | null }[];
  };
}

/** Tests of tenants on a Citus cluster, which are skipped where there is none. */
export function describeCitus(title: string, tests: () => void): void {
  describe.skipIf(citusUrl === undefined)(title, tests);
}

/** An installation on a Citus cluster whose tenants have the tables of the product, each on one of the nodes. */
export class CitusFleet implements AsyncDisposable {
  readonly citus: CitusInstallation;
  readonly app: TestApp;
  readonly migrations: MigrationDir;
  /** All that it has logged so far. */
  readonly logged: () => string;
  readonly #parts: AsyncDisposable;

  private constructor(
    citus: CitusInstallation,
    app: TestApp,
    migrations: MigrationDir,
    logged: () => string,
    parts: AsyncDisposable,
  ) {
    this.citus = citus;
    this.app = app;
    this.migrations = migrations;
    this.logged = logged;
    this.#parts = parts;
  }

  static async start(slugs: readonly string[]): Promise<CitusFleet> {
    await using stack = new AsyncDisposableStack();
    const { log, text } = captureLog();
    const citus = stack.use(await makeCitusInstallation(String(citusUrl)));
    const migrations = stack.use(await makeMigrationDir({ empty: true }));
    await cp('migrations/tenant', migrations.path, { recursive: true });
    const app = stack.use(await startTestApp({ ...citus.env, TENANT_MIGRATIONS_DIR: migrations.path }, { log }));
    const fleet = new CitusFleet(citus, app, migrations, text, stack.move());
    for (const slug of slugs) {
      const input = `{ slug: "${slug}", name: "x", isolation: SCHEMA }`;
      const created = await fleet.ask(`mutation { createTenant(input: ${input}) { status } }`);
      expect(created).toEqual({ createTenant: { status: 'ACTIVE' } });
    }
    return fleet;
  }

  /** Asks, by default as a platform admin. The caller knows what it asks for. */
  async ask<Data = Record<string, unknown>>(query: string, headers = this.app.admin): Promise<Data> {
    const { data, errors } = await this.app.ask(query, headers);
    expect(errors, query).toBeUndefined();
    return data as Data;
  }

  /** Asks for something that is refused. */
  async failure(query: string, headers = this.app.admin) {
    const [error] = (await this.app.ask(query, headers)).errors ?? [];
    return { code: error?.extensions.code, message: error?.message };
  }

  /** Runs a command line that succeeds; returns what it has written. */
  async command(...argv: string[]): Promise<string> {
    const { exit, stdout, stderr } = await commandsOf(this.app, { ...this.citus.env })(...argv);
    expect(exit, `${argv.join(' ')}: ${stderr}`).toBe(0);
    return stdout;
  }

  async ownerOf(tenant: string): Promise<Record<string, string>> {
    const token = await this.app.services.tokens.issue({ tenant, role: 'OWNER', expiresIn: '1h' });
    return { authorization: `Bearer ${token}` };
  }

  async placeOf(slug: string): Promise<NodePlace> {
    const { key } = await this.app.services.catalog.fork().findOneOrFail(Tenant, { slug });
    const { tenant } = await this.ask<{ tenant: Pick<NodePlace, 'placement'> }>(
      `{ tenant(slug: "${slug}") { placement { schema node } } }`,
    );
    return { key, ...tenant };
  }

  /** A node on which a tenant is not. */
  async otherNode(slug: string): Promise<string> {
    const { placement } = await this.placeOf(slug);
    return this.citus.nodes.find((node) => node !== placement.node) ?? expect.unreachable('there is one node only');
  }

  /** Starts a run by a mutation, and waits until it has ended. */
  async run(call = 'runMigrations(input: {})'): Promise<EndedRun> {
    const { begun } = await this.ask<{ begun: { id: string } }>(`mutation { begun: ${call} { id } }`);
    const { id } = begun;
    const fields = 'id status succeeded failed items { nodes { tenant { slug } status error } }';
    return vi.waitFor(async () => {
      const { migrationRun } = await this.ask<{ migrationRun: EndedRun }>(
        `{ migrationRun(id: "${id}") { ${fields} } }`,
      );
      expect(migrationRun.status).not.toMatch(/PENDING|RUNNING/);
      return migrationRun;
    }, 60_000);
  }

  /** Waits until a transfer has ended, and returns how. */
  async ended(transfer: string): Promise<{ readonly status: string; readonly error: string | null }> {
    return vi.waitFor(async () => {
      const { tenantTransfer } = await this.ask<{
        tenantTransfer: { status: string; error: string | null; endedAt: string | null };
      }>(`{ tenantTransfer(id: "${transfer}") { status error endedAt } }`);
      const { status, error, endedAt } = tenantTransfer;
      expect(endedAt).not.toBeNull();
      return { status, error };
    }, 60_000);
  }

  /** Adds a product; returns its id. */
  async addProduct(slug: string, sku: string): Promise<string> {
    const input = `{ sku: "${sku}", name: "x", price: "4.50", currency: "EUR", stock: 1000000 }`;
    const mutation = `mutation { createProduct(input: ${input}) { id } }`;
    const { createProduct } = await this.ask<{ createProduct: { id: string } }>(mutation, await this.ownerOf(slug));
    return createProduct.id;
  }

  /** The columns of a table's shards on the workers, of which the tenant's role sees nothing. */
  async columnsOf(slug: string, table: string): Promise<readonly string[]> {
    const { schema } = (await this.placeOf(slug)).placement;
    const found = await this.citus.onEachWorker<{ name: string }>(
      `SELECT DISTINCT attname AS name FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
       WHERE relnamespace = to_regnamespace('${schema}') AND relname ~ '^${table}_[0-9]+$' AND attnum > 0 AND NOT attisdropped`,
    );
    return found.flat().map(({ name }) => name);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#parts[Symbol.asyncDispose]();
  }
}

/** Starts one before the tests of a group, and ends it after them. */
export function useCitusFleet(slugs: readonly string[]): () => CitusFleet {
  let fleet: CitusFleet | undefined;
  beforeAll(async () => {
    fleet = await CitusFleet.start(slugs);
  });
  afterAll(() => fleet?.[Symbol.asyncDispose]());
  return () => fleet ?? expect.unreachable('it has not started');
}
