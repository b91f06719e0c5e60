import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { SUPERUSER } from '../../src/postgres/embedded/cluster.ts';
import { findBrowser, howToGetABrowser } from '../support/browser.ts';
import { type GraphiqlPage, openGraphiql } from '../support/graphiql-page.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { removeDataDir } from '../support/remove-data-dir.ts';
import { startServer } from '../support/server-process.ts';

/** The tabs with which the page opens. */
const [adminTab, ownerTab] = [0, 1];

const browser = findBrowser();
if (!browser) process.stderr.write(`\nGraphiQL is not tested in a browser: ${howToGetABrowser}.\n`);

describe.skipIf(!browser)('GraphiQL in a browser, at the address that the server prints', () => {
  const stack = new AsyncDisposableStack();
  let dataDir: string;
  let migrations: MigrationDir;
  let graphiql: GraphiqlPage;
  let database: string | undefined;
  let run: string | undefined;
  let screenshots = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-graphiql-'));
    stack.defer(() => removeDataDir(dataDir));
    migrations = stack.use(await makeMigrationDir());
    const server = startServer({
      NODE_ENV: 'development',
      DATA_DIR: dataDir,
      TENANT_MIGRATIONS_DIR: migrations.path,
      MIGRATION_LOCK_TIMEOUT_MS: '60000',
    });
    stack.use(server);
    graphiql = stack.use(await openGraphiql(browser ?? '', (await server.listening()).url));
  });
  afterEach(async () => {
    await graphiql.page.screenshot({ path: `artifacts/graphiql-${++screenshots}.png` });
    expect(graphiql.outside).toEqual([]);
    expect(graphiql.problems).toEqual([]);
  });
  afterAll(() => stack.disposeAsync());

  it('shows what to try, with an admin’s token and an owner’s, each time it is loaded', async () => {
    const tokens: string[] = [];
    for (const load of [() => graphiql.stored('CreateTenant'), () => graphiql.page.reload()]) {
      await load();
      await graphiql.openTab(adminTab);
      await shows('document', 'Press play', 'mutation CreateTenant');
      tokens.push(await shows('tool', '"authorization": "Bearer ey'));
      await graphiql.openTab(ownerTab);
      await shows('document', 'As the owner of the tenant acme', 'mutation CreateProduct');
      await vi.waitFor(async () => expect(await graphiql.text('tool')).not.toBe(tokens.at(-1)));
      await shows('tool', '"authorization": "Bearer ey');
    }
    expect(tokens[1]).toBe(tokens[0]);
    expect(await graphiql.page.title()).toBe('Tenantry');
    expect(await graphiql.page.getByRole('tab').count()).toBe(2);
    await graphiql.openTab(adminTab);
  });

  it('creates a tenant of each isolation', async () => {
    await graphiql.run('CreateTenant');
    const created = await shows('response', '"schema": "public"', '"version": "20261121000000_fixture"');
    database = /"database": "(db_\w+)"/.exec(created)?.[1];
    await graphiql.replaceWord('"acme"', 'corner-shop');
    await graphiql.replaceWord('DATABASE', 'SCHEMA');
    await graphiql.run('CreateTenant');
    await shows('response', '"database": "shared"', '"schema": "tenant_', '"version": "20261121000000_fixture"');
    await graphiql.run('Fleet');
    await shows('response', '"slug": "acme"', '"slug": "corner-shop"');
  });

  it('reads and writes the data of a tenant as its owner', async () => {
    await graphiql.openTab(ownerTab);
    await graphiql.run('CreateProduct');
    await shows('response', '"createProduct"', '"id"');
    await graphiql.run('Products');
    await shows('response', '"totalCount": 1', '"sku": "tea"');
    await graphiql.openTab(adminTab);
  });

  it('lists the events of a run as they happen', async () => {
    // Waits for a lock that the test holds, so that the run lasts as long as the test wants.
    await migrations.add('20270101000000_slow', 'SELECT pg_advisory_xact_lock(1)');
    const owner = await connect(dataDir, database);
    await owner.query('SELECT pg_advisory_lock(1)');
    await graphiql.run('Migrate');
    run = /"id": "(.+)"/.exec(await shows('response', '"runMigrations"', '"total": 2'))?.[1];
    await graphiql.setVariables(`{ "run": "${run}" }`);
    await graphiql.run('Progress');
    const going = ['"kind": "TENANT_SUCCEEDED"', '"slug": "corner-shop"', '"kind": "RUN_STARTED"'];
    await shows('response', '"newestFirst"', '"done": 1', '"total": 2', ...going);
    await graphiql.stop();
    await graphiql.run('Progress');
    await shows('response', '"done": 1', ...going);
    await owner.end();
    const list = await shows('response', '"kind": "RUN_ENDED"', '"2 succeeded, 0 failed', '"done": 2', '"done": 1');
    // Those that can be seen.
    const numbers = [...list.matchAll(/"seq": (\d+)/g)].map(([, seq]) => Number(seq));
    const received = Number(/"received": (\d+)/.exec(list)?.[1]);
    expect(numbers.length).toBeGreaterThan(3);
    expect(numbers).toEqual(numbers.map((_, index) => received - index));
  });

  it('is as it was left when it is loaded again, but for the tokens of another day', async () => {
    await graphiql.stored('corner-shop', `${run}`);
    const makeOld = `for (const key of Object.keys(localStorage)) {
      localStorage.setItem(key, localStorage.getItem(key).replaceAll('Bearer ey', 'Bearer old').replaceAll('["ey', '["old').replaceAll(',"ey', ',"old'));
    }`;
    for (const address of [graphiql.page.url(), new URL('/', graphiql.page.url()).href]) {
      await graphiql.page.evaluate(makeOld);
      await graphiql.page.goto(address);
      await shows('document', 'corner-shop', 'isolation: SCHEMA');
      await graphiql.open('Variables');
      await shows('tool', `${run}`);
      await graphiql.open('Headers');
      await shows('tool', '"authorization": "Bearer ey');
      await graphiql.openTab(ownerTab);
      await shows('tool', '"authorization": "Bearer ey');
      await graphiql.run('Products');
      await shows('response', '"totalCount": 1');
      await graphiql.openTab(adminTab);
      expect(await graphiql.page.getByRole('tab').count()).toBe(2);
    }
  });

  /** Waits until an editor shows all these, and resolves to its text. */
  function shows(editor: 'document' | 'tool' | 'response', ...parts: string[]): Promise<string> {
    const look = async () => {
      const text = await graphiql.text(editor);
      for (const part of parts) expect(text).toContain(part);
      return text;
    };
    return vi.waitFor(look, { timeout: 30_000 });
  }
});

/** A connection to one of the databases of an embedded PostgreSQL, as its owner. */
async function connect(dataDir: string, database: string | undefined): Promise<pg.Client> {
  const { port, password } = z
    .object({ port: z.number(), password: z.string() })
    .parse(JSON.parse(await readFile(path.join(dataDir, 'embedded.json'), 'utf8')));
  const client = new pg.Client({ host: '127.0.0.1', port, user: SUPERUSER, password, database });
  await client.connect();
  return client;
}
