import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a migration that does not end', () => {
  const name = '20270101000000_endless';
  let postgres: TestPostgres;
  let endless: MigrationDir;
  let app: TestApp;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    endless = await makeMigrationDir();
    await endless.add(name, 'SELECT pg_sleep(3600)');
    app = await startTestApp({ ...postgres.env, TENANT_MIGRATIONS_DIR: endless.path }, { prepared: false });
    await eventually('it runs', async () => (await sleepers()).length === 1);
  });
  afterAll(async () => {
    await endless[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const sleepers = () =>
    postgres.rows(
      `SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()`,
    );
  const createTenant = (server: TestApp, slug: string) =>
    server.ask(
      `mutation { createTenant(input: { slug: "${slug}", name: "x" }) { placement { database } } }`,
      server.admin,
    );

  it('does not keep a server from serving', async () => {
    const { data } = await app.ask('{ health { status } currencies { code } }');
    expect(data).toMatchObject({ health: { status: 'OK' }, currencies: expect.arrayContaining([{ code: 'EUR' }]) });
  });

  it('does not affect another installation on the same PostgreSQL', async () => {
    const names = { AUTH_DATABASE: 'auth_2', CONSTANTS_DATABASE: 'constants_2', SHARED_DATABASE: 'shared_2' };
    await using other = await startTestApp({ ...postgres.env, ...names });
    expect((await createTenant(other, 'neighbour')).errors).toBeUndefined();
    expect(
      await postgres.rows(`SELECT FROM pg_database WHERE datname ~ '^auth_2_template_[0-9a-f]{12}$'`),
    ).toHaveLength(1);
  });

  it('lets a server of the same installation with a fixed migration create tenants, though not from a template', async () => {
    await using fixed = await startTestApp(postgres.env, { prepared: false });
    expect((await createTenant(fixed, 'fixed')).errors).toBeUndefined();
    expect(await sleepers()).toHaveLength(1);
  });

  it('is cancelled when its server stops', async () => {
    await app[Symbol.asyncDispose]();
    expect(await sleepers()).toEqual([]);
  });

  it('is named by a process that has waited for it, if it waits in its own code', async () => {
    await endless.addClass(name, 'override up() { return new Promise<void>(() => {}); }');
    await using waiting = await startTestApp(
      { ...postgres.env, TENANT_MIGRATIONS_DIR: endless.path },
      { prepared: false },
    );
    const [{ errors }, found] = await Promise.all([createTenant(waiting, 'endless'), waiting.prepared]);
    const message = new RegExp(
      `${name}\\.ts cannot be read: its module, up\\(\\) or down\\(\\) did not end within 10 s`,
    );
    expect(errors?.[0]?.message).toMatch(message);
    expect(found).toMatch(message);
  });
});

it('a migration whose connection breaks while a tenant is made is not blamed: the client may try again', async () => {
  await using migrations = await makeMigrationDir();
  await using app = await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path });
  await migrations.add('20270101000000_breaking', 'SELECT pg_terminate_backend(pg_backend_pid())');
  const create = (isolation: string) =>
    app.ask(
      `mutation { createTenant(input: { slug: "again", name: "x", isolation: ${isolation} }) { slug } }`,
      app.admin,
    );
  for (const isolation of ['SCHEMA', 'DATABASE']) {
    const { errors } = await create(isolation);
    expect(errors?.map(({ extensions }) => extensions)).toMatchObject([{ code: 'SERVER_BUSY', retryAfterMs: 1000 }]);
  }
  await migrations.remove('20270101000000_breaking');
  expect(await create('SCHEMA')).toEqual({ data: { createTenant: { slug: 'again' } } });
});
