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

  it('shows what to try, with an admin’s token, each time it is loaded', async () => {
    for (const load of [() => graphiql.stored('CreateTenant'), () => graphiql.page.reload()]) {
      await load();
      await shows('document', 'Press play', 'mutation CreateTenant');
      await shows('tool', '"authorization": "Bearer ey');
    }
    expect(await graphiql.page.title()).toBe('Tenantry');
    expect(await graphiql.page.getByRole('tab').count()).toBe(1);
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

  it('shows the events of a run as they happen', async () => {
    // Waits for a lock that the test holds, so that the run lasts as long as the test wants.
    await migrations.add('20270101000000_slow', 'SELECT pg_advisory_xact_lock(1)');
    const owner = await connect(dataDir, database);
    await owner.query('SELECT pg_advisory_lock(1)');
    await graphiql.run('Migrate');
    run = /"id": "(.+)"/.exec(await shows('response', '"runMigrations"', '"total": 2'))?.[1];
    await graphiql.setVariables(`{ "run": "${run}" }`);
    const stream = graphiql.page.waitForResponse((answer) => answer.headers()['content-type'] === 'text/event-stream');
    await graphiql.run('Progress');
    await stream;
    await shows('response', '"kind": "TENANT_SUCCEEDED"', '"slug": "corner-shop"', '"done": 1', '"total": 2');
    await owner.end();
    await shows('response', '"kind": "RUN_ENDED"', '"2 succeeded, 0 failed', '"done": 2', '"total": 2');
  });

  it('is as it was left when it is loaded again, but for a token of another day', async () => {
    await graphiql.stored('corner-shop', `${run}`);
    await graphiql.page.evaluate(`localStorage.setItem('graphiql:headers', '{ "authorization": "Bearer old" }')`);
    await graphiql.page.reload();
    await shows('document', 'corner-shop', 'isolation: SCHEMA');
    await graphiql.open('Variables');
    await shows('tool', `${run}`);
    await graphiql.open('Headers');
    await shows('tool', '"authorization": "Bearer ey');
    expect(await graphiql.page.getByRole('tab').count()).toBe(1);
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
