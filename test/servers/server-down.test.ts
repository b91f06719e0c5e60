import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { captureLog } from '../support/log-lines.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { openTestApp, startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { tellTalePassword } from '../support/tell-tale-password.ts';

const products = '{ products { totalCount } }';
const run = 'mutation { runMigrations(input: { wait: true }) { status succeeded failed skipped } }';
const noAnswer = {
  message: 'The PostgreSQL server b does not answer. Try again in a moment.',
  extensions: { code: 'SERVER_BUSY', retryAfterMs: 1000 },
};

describe('one of two PostgreSQL servers stops', () => {
  const { log, text: logged } = captureLog();
  const password = tellTalePassword();
  const answers: string[] = [];
  let app: TestApp;
  let second: TestPostgres;
  let migrations: MigrationDir;

  const ask = async (query: string, headers = app.admin, on = app) => {
    const answer = await on.ask(query, headers);
    answers.push(JSON.stringify(answer));
    return answer;
  };
  const askAs = async (slug: string, on = app) => ask(products, await on.tokenFor(slug), on);
  const create = (slug: string, more: string) =>
    ask(`mutation { createTenant(input: { slug: "${slug}", name: "x", ${more} }) { placement { server } } }`);
  const inCatalog = (sql: string) => app.services.catalog.use((client) => client.query(sql));
  const served = { data: { products: { totalCount: 0 } } };

  beforeAll(async () => {
    migrations = await makeMigrationDir();
    [app, second] = await Promise.all([
      startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path }, { log }),
      startTestPostgres(),
    ]);
    await app.services.servers.add('b', await second.createRole('owner', password));
    for (const [slug, isolation, server] of [
      ['a-db', 'DATABASE', 'default'],
      ['a-schema', 'SCHEMA', 'default'],
      ['a-more', 'SCHEMA', 'default'],
      ['b-db', 'DATABASE', 'b'],
      ['b-schema', 'SCHEMA', 'b'],
    ]) {
      await create(slug ?? '', `isolation: ${isolation}, server: "${server}"`);
      expect(await askAs(slug ?? '')).toEqual(served);
    }
    await second.stop();
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
  });

  it('its tenants’ requests fail at once with the reason, and other tenants are not affected', async () => {
    for (const slug of ['b-db', 'b-schema']) {
      expect((await askAs(slug)).errors?.[0]?.extensions.code).toBe('SERVER_BUSY');
      expect((await askAs(slug)).errors).toMatchObject([noAnswer]);
    }
    for (const slug of ['a-db', 'a-schema']) expect(await askAs(slug)).toEqual(served);
  });

  it('health says which, and databases leaves its sizes out', async () => {
    const { data } = await ask('{ health { status databases { name server ok error } } }');
    expect(data?.health).toMatchObject({ status: 'DEGRADED' });
    expect(data?.health).toHaveProperty('databases.3', {
      name: 'postgres',
      server: 'b',
      ok: false,
      error: 'unreachable',
    });
    const listing = await ask('{ databases { system { server sizeBytes } tenants { server sizeBytes } } }');
    const [known, unknown] = [{ sizeBytes: expect.any(Number) }, { server: 'b', sizeBytes: null }];
    expect(listing.data?.databases).toMatchObject({
      system: [known, known, known, unknown],
      tenants: [known, unknown],
    });
  });

  it('new tenants are put elsewhere, and one that is wanted there is refused without a trace', async () => {
    expect(await create('elsewhere', 'isolation: SCHEMA')).toEqual({
      data: { createTenant: { placement: { server: 'default' } } },
    });
    expect((await create('wanted-there', 'server: "b"')).errors).toMatchObject([noAnswer]);
    expect(await ask('{ tenant(slug: "wanted-there") { id } }')).toEqual({ data: { tenant: null } });
  });

  it('a run fails for its tenants only, and names the reason', async () => {
    await migrations.add('20270101000000_one', 'CREATE TABLE one (id int)');
    const { data } = await ask(run);
    expect(data?.runMigrations).toEqual({ status: 'FAILED', succeeded: 4, failed: 2, skipped: 0 });
    const { rows } = await inCatalog(
      `SELECT t.slug, i.error FROM migration_run_items i JOIN tenants t ON t.id = i.tenant_id WHERE i.status = 'FAILED' ORDER BY t.slug`,
    );
    const error = `SERVER_BUSY: ${noAnswer.message}`;
    expect(rows).toEqual([
      { slug: 'b-db', error },
      { slug: 'b-schema', error },
    ]);
  });

  it('a process that starts meanwhile serves the others, and both serve all when it is back', async () => {
    await using late = await openTestApp(app.services.config, { log });
    expect(await askAs('a-db', late)).toEqual(served);
    expect((await askAs('b-db', late)).errors).toMatchObject([noAnswer]);
    await second.restart();
    for (const process of [late, app]) {
      for (const slug of ['b-db', 'b-schema']) {
        await vi.waitFor(async () => expect(await askAs(slug, process)).toEqual(served), { timeout: 20_000 });
      }
    }
    expect(await ask(run)).toMatchObject({
      data: { runMigrations: { status: 'SUCCEEDED', succeeded: 2, skipped: 4 } },
    });
    expect(await ask('{ health { status } }', {})).toEqual({ data: { health: { status: 'OK' } } });
  });

  it('it cannot be removed while it has tenants; afterwards it is forgotten, and may come back', async () => {
    const { servers } = app.services;
    await expect(servers.remove('b')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'The server b has 2 tenants, so it cannot be removed. Move or delete them first.',
    });
    await inCatalog(`DELETE FROM tenants WHERE server = 'b'`);
    await servers.remove('b');
    expect(await ask('{ servers { name } }')).toEqual({ data: { servers: [{ name: 'default' }] } });
    expect((await create('too-late', 'server: "b"')).errors?.[0]?.extensions.code).toBe('NOT_FOUND');
    await servers.add('b', await second.createRole('owner', password));
    await create('b-again', 'server: "b", isolation: SCHEMA');
    expect(await askAs('b-again')).toEqual(served);
    await migrations.add('20270102000000_two', 'CREATE TABLE two (id int)');
    expect(await ask(run)).toMatchObject({ data: { runMigrations: { status: 'SUCCEEDED', succeeded: 5 } } });
  });

  it('the log reports it, and neither the log nor an answer shows the password', () => {
    expect(logged()).toContain('a PostgreSQL server does not answer');
    const everything = `${logged()}${answers.join('')}`;
    for (const secret of [password, encodeURIComponent(password), 'owner:']) expect(everything).not.toContain(secret);
  });
});
