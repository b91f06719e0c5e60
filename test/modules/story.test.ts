import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childEnv } from '../support/child-env.ts';
import { kindsOf, progressQuery, type ShownEvent } from '../support/fleet.ts';
import type { HttpClient } from '../support/http-client.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { ownInstallation, startServer } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const isolations = { 'one-db': 'DATABASE', 'two-db': 'DATABASE', 'one-schema': 'SCHEMA', 'two-schema': 'SCHEMA' };
const slugs = Object.keys(isolations);

/** What a shop has that the tests ask for again. */
interface Shop {
  readonly headers: Record<string, string>;
  readonly place: { readonly database: string; readonly schema: string };
  readonly product: string;
}

describe('the story, from outside', () => {
  const stack = new AsyncDisposableStack();
  const shops = new Map<string, Shop>();
  let postgres: TestPostgres;
  let migrations: MigrationDir;
  let client: HttpClient;
  let admin: Record<string, string>;
  let env: Record<string, string>;
  beforeAll(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-story-'));
    stack.defer(() => rm(folder, { recursive: true }));
    postgres = stack.use(await startTestPostgres());
    migrations = stack.use(await makeMigrationDir({ empty: true }));
    await cp('migrations/tenant', migrations.path, { recursive: true });
    env = { ...ownInstallation(postgres, folder), TENANT_MIGRATIONS_DIR: migrations.path };
    const server = stack.use(startServer(env));
    client = await server.listening();
    admin = server.admin();
  });
  afterAll(() => stack.disposeAsync());

  const shop = (slug: string) => shops.get(slug) ?? expect.unreachable(slug);

  async function ask<Data>(query: string, headers: Record<string, string>): Promise<Data> {
    const { data, errors } = await client.ask<Data>(query, headers);
    expect(errors, query).toBeUndefined();
    return data ?? expect.unreachable(query);
  }

  /** As `tenantry token` prints it. */
  async function tokenFor(slug: string): Promise<Record<string, string>> {
    const args = ['src/cli.ts', 'token', '--tenant', slug, '--role', 'ADMIN'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...childEnv, ...env } });
    return { authorization: `Bearer ${stdout.trim()}` };
  }

  it('two tenants of each isolation sell what is their own', async () => {
    for (const [slug, isolation] of Object.entries(isolations)) {
      const { createTenant } = await ask<{ createTenant: { placement: Shop['place'] } }>(
        `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { placement { database schema } } }`,
        admin,
      );
      const headers = await tokenFor(slug);
      const input = `{ sku: "tea", name: "of ${slug}", price: "4.50", currency: "EUR", stock: 10 }`;
      const { createProduct } = await ask<{ createProduct: { id: string } }>(
        `mutation { createProduct(input: ${input}) { id } }`,
        headers,
      );
      shops.set(slug, { headers, place: createTenant.placement, product: createProduct.id });
      const order = `placeOrder(input: { lines: [{ product: "${createProduct.id}", quantity: 2 }] }) { total }`;
      expect(await ask(`mutation { ${order} }`, headers)).toEqual({ placeOrder: { total: '9.00' } });
    }
  });

  it('they see nothing of each other, and cannot guess it by an id', async () => {
    for (const slug of slugs) {
      const seen = '{ products { nodes { name stock } } orders { nodes { lines { product { name } } } } }';
      const name = `of ${slug}`;
      expect(await ask(seen, shop(slug).headers)).toEqual({
        products: { nodes: [{ name, stock: 8 }] },
        orders: { nodes: [{ lines: [{ product: { name } }] }] },
      });
      for (const other of slugs.filter((each) => each !== slug)) {
        const order = `placeOrder(input: { lines: [{ product: "${shop(other).product}", quantity: 1 }] }) { id }`;
        const { errors } = await client.ask(`mutation { ${order} }`, shop(slug).headers);
        expect(errors?.[0]?.extensions.code).toBe('NOT_FOUND');
      }
    }
  });

  /** All that a tenant has: tables, what holds for them, rows and the history of what was applied. */
  async function everythingOf(slug: string): Promise<unknown> {
    const { database, schema } = shop(slug).place;
    const rows = (sql: string) => postgres.rows(sql, [schema], database);
    return {
      columns: await rows(
        'SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_schema = $1 ORDER BY 1, 2',
      ),
      constraints: await rows(
        'SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = $1::regnamespace ORDER BY 1, 2',
      ),
      indexes: await rows('SELECT indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1'),
      rights: await rows('SELECT relname, relacl::text FROM pg_class WHERE relnamespace = $1::regnamespace ORDER BY 1'),
      data: await rows(
        `SELECT tablename, query_to_xml(format('SELECT * FROM %I.%I t ORDER BY t::text', schemaname, tablename), true, false, '')::text
         FROM pg_tables WHERE schemaname = $1 AND tablename <> 'migration_history' ORDER BY 1`,
      ),
      history: await postgres.rows(
        `SELECT * FROM "${schema}".migration_history WHERE status <> 'ROLLED_BACK' ORDER BY id`,
        [],
        database,
      ),
    };
  }

  /** Migrates the fleet; gives the events, as the subscription shows them until it completes. */
  async function migrate(): Promise<ShownEvent[]> {
    const { runMigrations } = await ask<{ runMigrations: { id: string } }>('mutation { runMigrations { id } }', admin);
    const events: ShownEvent[] = [];
    const query = progressQuery(runMigrations.id);
    for await (const { data } of client.subscribe<{ migrationProgress: ShownEvent }>(query, admin)) {
      if (data) events.push(data.migrationProgress);
    }
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events[0]?.kind).toBe('RUN_STARTED');
    expect(events.at(-1)).toMatchObject({ kind: 'RUN_ENDED', done: 4, total: 4 });
    return events;
  }

  const succeeds = ['TENANT_STARTED', ...Array(4).fill('MIGRATION_APPLIED'), 'TENANT_SUCCEEDED'];

  it('a migration that does not fit the data of one tenant leaves that one as it was, and the others go on', async () => {
    const { database, schema } = shop('two-db').place;
    await postgres.rows(`UPDATE "${schema}".products SET stock = 1000`, [], database);
    await migrations.add('20270101000000_one', 'CREATE TABLE one (id int)');
    await migrations.add('20270102000000_two', "UPDATE products SET name = name || '!'");
    await migrations.add('20270103000000_three', 'ALTER TABLE products ADD COLUMN three int DEFAULT 3');
    await migrations.add('20270104000000_few', 'ALTER TABLE products ADD CONSTRAINT few CHECK (stock < 1000)');
    const before = await everythingOf('two-db');
    // Otherwise a change would go unnoticed.
    expect(JSON.stringify(before)).toMatch(/products_stock_check.*of two-db.*20261121000000_shop/s);
    const events = await migrate();
    for (const slug of slugs) {
      expect(kindsOf(events, slug), slug).toEqual(slug === 'two-db' ? ['TENANT_STARTED', 'TENANT_FAILED'] : succeeds);
    }
    expect(events.find(({ kind }) => kind === 'TENANT_FAILED')).toMatchObject({
      migration: '20270104000000_few',
      message: expect.stringContaining('check constraint "few"'),
    });
    expect(await everythingOf('two-db')).toEqual(before);
    for (const slug of slugs) {
      const name = slug === 'two-db' ? `of ${slug}` : `of ${slug}!`;
      expect(await ask('{ products { nodes { name } } }', shop(slug).headers)).toEqual({
        products: { nodes: [{ name }] },
      });
    }
  });

  it('after its data are fixed, the next run migrates only that tenant', async () => {
    const { database, schema } = shop('two-db').place;
    await postgres.rows(`UPDATE "${schema}".products SET stock = 8`, [], database);
    const others = slugs.filter((slug) => slug !== 'two-db');
    const before = await Promise.all(others.map(everythingOf));
    const events = await migrate();
    expect(kindsOf(events, 'two-db')).toEqual(succeeds);
    for (const slug of others) expect(kindsOf(events, slug), slug).not.toContain('MIGRATION_APPLIED');
    expect(await Promise.all(others.map(everythingOf))).toEqual(before);
    const { tenants } = await ask<{ tenants: unknown }>('{ tenants { nodes { behind } } }', admin);
    expect(tenants).toEqual({ nodes: Array(4).fill({ behind: 0 }) });
  });
});
