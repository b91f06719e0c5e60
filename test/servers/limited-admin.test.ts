import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { createDatabase, databaseExists, dropDatabase, isInUse } from '../../src/postgres/admin/databases.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('with an admin role that may create databases and roles, but is not a superuser', () => {
  let postgres: TestPostgres;
  let migrations: MigrationDir;
  let app: TestApp;
  const env = () => ({
    ...postgres.env,
    DATABASE_URL: postgres.url('postgres', 'limited', 'secret'),
    TENANT_MIGRATIONS_DIR: migrations.path,
  });
  const isolations = ['DATABASE', 'SCHEMA'];
  const create = (slug: string, isolation: string) =>
    `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { status } }`;

  beforeAll(async () => {
    postgres = await startTestPostgres({ autovacuum: 'on' });
    migrations = await makeMigrationDir();
    await postgres.createRole('limited', 'secret');
    app = await startTestApp(env());
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  it.each(isolations)('creates tenants with isolation %s, and serves them', async (isolation) => {
    const slug = `a-${isolation.toLowerCase()}`;
    expect(await app.ask(create(slug, isolation), app.admin)).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
    const product = 'mutation { createProduct(input: { sku: "s", name: "n", price: "1", currency: "EUR" }) { sku } }';
    expect(await app.ask(product, await app.tokenFor(slug))).toEqual({ data: { createProduct: { sku: 's' } } });
  });

  it('lists databases with their sizes', async () => {
    const { data } = await app.ask('{ databases { system { sizeBytes } tenants { sizeBytes } } }', app.admin);
    const size = { sizeBytes: expect.any(Number) };
    expect(data).toEqual({ databases: { system: [size, size, size], tenants: [size] } });
  });

  it('starts again, with another secret', async () => {
    await using again = await startTestApp({ ...env(), ROLE_SECRET: 'a new secret of the tests, long enough for it' });
    for (const isolation of isolations) {
      const token = await again.tokenFor(`a-${isolation.toLowerCase()}`);
      expect(await again.ask('{ products { totalCount } }', token)).toEqual({ data: { products: { totalCount: 1 } } });
    }
    await again[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    app = await startTestApp(env());
  });

  it('migrates the fleet, and creates tenants with the new migration', async () => {
    await migrations.add('20270101000000_notes', 'CREATE TABLE notes (id int)');
    const run = 'mutation { runMigrations(input: { wait: true }) { status succeeded } }';
    expect(await app.ask(run, app.admin)).toEqual({ data: { runMigrations: { status: 'SUCCEEDED', succeeded: 2 } } });
    for (const isolation of isolations) {
      expect(await app.ask(create(`b-${isolation.toLowerCase()}`, isolation), app.admin)).toEqual({
        data: { createTenant: { status: 'ACTIVE' } },
      });
    }
    const { data } = await app.ask('{ tenants { nodes { behind version } } }', app.admin);
    expect(data?.tenants).toEqual({ nodes: Array(4).fill({ behind: 0, version: '20270101000000_notes' }) });
  });

  it.each(isolations)(
    'removes a half-created tenant with isolation %s while its own role is connected',
    async (isolation) => {
      const slug = `c-${isolation.toLowerCase()}`;
      await app.ask(create(slug, isolation), app.admin);
      const tenant = await app.services.catalog.fork().findOneOrFail(Tenant, { slug });
      const client = await app.services.tenants.pool(tenant).connect();
      await client.query('SELECT 1 FROM products');
      await postgres.rows(`UPDATE tenants SET status = 'DELETING' WHERE slug = $1`, [slug], 'auth');
      await recoverTenants(app.services.provisioning);
      client.release(true);
      const tenants = await app.services.catalog.fork().find(Tenant, {});
      expect(tenants.map((left) => left.slug)).not.toContain(slug);
      expect(await findPlaces(postgres)).toEqual(placesOf(tenants));
    },
  );

  it('drops a database in which autovacuum is at work', async () => {
    for (const setting of [
      'autovacuum_naptime = 1',
      'autovacuum_vacuum_cost_delay = 100',
      'autovacuum_vacuum_cost_limit = 1',
    ]) {
      await postgres.rows(`ALTER SYSTEM SET ${setting}`);
    }
    await postgres.rows('SELECT pg_reload_conf()');
    const server = app.services.servers.get('default');
    await server?.admin((admin) => createDatabase(admin, 'vacuumed'));
    await server?.owner('vacuumed', (client) =>
      client.query(`CREATE TABLE t AS SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n; DELETE FROM t`),
    );
    await expect
      .poll(() => postgres.rows(`SELECT backend_type FROM pg_stat_activity WHERE datname = 'vacuumed'`), {
        timeout: 90_000,
      })
      .toEqual([{ backend_type: 'autovacuum worker' }]);
    expect(await server?.admin((admin) => isInUse(admin, 'vacuumed'))).toBe(false);
    await server?.admin((admin) => dropDatabase(admin, 'vacuumed'));
    expect(await server?.admin((admin) => databaseExists(admin, 'vacuumed'))).toBe(false);
  });
});
