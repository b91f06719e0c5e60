import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { commandsOf } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const logical = { wal_level: 'logical', max_wal_senders: '10' };

describe('with an admin role that may create databases and roles, but is not a superuser', () => {
  let first: TestPostgres;
  let second: TestPostgres;
  let migrations: MigrationDir;
  let folder: string;
  let app: TestApp;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-limited-'));
    migrations = await makeMigrationDir();
    [first, second] = await Promise.all([startTestPostgres(logical), startTestPostgres(logical)]);
    const url = await first.createRole('limited', 'secret');
    app = await startTestApp({ ...first.env, DATABASE_URL: url, TENANT_MIGRATIONS_DIR: migrations.path });
    await app.services.servers.add('b', await second.createRole('owner', 'secret'));
    for (const isolation of ['DATABASE', 'SCHEMA']) {
      const slug = isolation.toLowerCase();
      await ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "n", isolation: ${isolation}, server: "default" }) { id } }`,
      );
      const product = '{ sku: "one", name: "n", price: "1.00", currency: "EUR" }';
      await ask(`mutation { createProduct(input: ${product}) { id } }`, await app.tokenFor(slug));
    }
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function ask(query: string, headers = app.admin): Promise<Record<string, unknown>> {
    const { data, errors } = await app.ask(query, headers);
    expect(errors, query).toBeUndefined();
    return data ?? {};
  }
  const failure = async (query: string) => {
    const { errors } = await app.ask(query, app.admin);
    return { code: errors?.[0]?.extensions.code, message: errors?.[0]?.message };
  };
  const skusOf = async (slug: string) => ask('{ products { nodes { sku } } }', await app.tokenFor(slug));
  const served = { products: { nodes: [{ sku: 'one' }] } };
  const ended = async (mutation: string) => {
    const [transfer] = Object.values(await ask(`mutation { ${mutation} { id } }`));
    const { id } = transfer as { id: string };
    return eventually('the transfer has ended', async () => {
      const { tenantTransfer } = await ask(`{ tenantTransfer(id: "${id}") { status error endedAt } }`);
      const found = tenantTransfer as { status: string; error: string | null; endedAt: string | null };
      return found.endedAt === null ? undefined : found;
    });
  };
  const succeeded = { status: 'SUCCEEDED', error: null };
  const slugs = ['database', 'schema'];

  it.each(slugs)('moves a tenant to another server and back: %s', async (slug) => {
    for (const to of [
      'server: "b", isolation: SCHEMA',
      'isolation: DATABASE',
      `server: "default", isolation: ${slug.toUpperCase()}`,
    ]) {
      expect(await ended(`moveTenant(input: { tenant: "${slug}", ${to}, keepHours: 0 })`)).toMatchObject(succeeded);
      expect(await skusOf(slug)).toEqual(served);
    }
  });

  it.each(slugs)('clones a tenant: %s', async (slug) => {
    for (const [index, to] of ['isolation: DATABASE', 'isolation: SCHEMA', 'server: "b"'].entries()) {
      const copy = `${slug}-${index}`;
      expect(await ended(`cloneTenant(input: { tenant: "${slug}", slug: "${copy}", ${to} })`)).toMatchObject(succeeded);
      expect(await skusOf(copy)).toEqual(served);
    }
  });

  it.each(slugs)('exports a tenant and imports it: %s', async (slug) => {
    const tenant = (...args: string[]) =>
      commandsOf(app, { ...first.env, DATABASE_URL: first.url('postgres', 'limited', 'secret') })('tenant', ...args);
    const file = path.join(folder, slug);
    expect(await tenant('export', slug, '--out', file)).toMatchObject({ exit: 0 });
    for (const isolation of slugs) {
      const copy = `${slug}-as-${isolation}`;
      expect(await tenant('import', file, '--slug', copy, '--isolation', isolation)).toMatchObject({
        exit: 0,
        stderr: '',
      });
      expect(await skusOf(copy)).toEqual(served);
    }
  });

  it.each(slugs)('makes a checkpoint and restores it: %s', async (slug) => {
    const { createCheckpoint } = await ask(`mutation { createCheckpoint(tenant: "${slug}") { id } }`);
    const { id } = createCheckpoint as { id: string };
    const product = '{ sku: "two", name: "n", price: "1.00", currency: "EUR" }';
    await ask(`mutation { createProduct(input: ${product}) { id } }`, await app.tokenFor(slug));
    await ask(`mutation { restoreCheckpoint(id: "${id}", acceptDataLoss: true) { id } }`);
    expect(await skusOf(slug)).toEqual(served);
  });

  it('says beforehand what it may not do to move a tenant online', async () => {
    const move = 'mutation { moveTenant(input: { tenant: "database", server: "b", online: true }) { id } }';
    expect(await failure(move)).toEqual({
      code: 'CONFLICT',
      message: expect.stringContaining('ALTER ROLE limited REPLICATION'),
    });
    await first.rows('ALTER ROLE limited REPLICATION');
    expect(await failure(move)).toEqual({
      code: 'CONFLICT',
      message: expect.stringContaining('GRANT SET ON PARAMETER session_replication_role TO owner'),
    });
    expect(await skusOf('database')).toEqual(served);
  });

  it('refuses to copy tables whose rows PostgreSQL would hide, and says what to do', async () => {
    await migrations.add(
      '20261123000000_private',
      `CREATE TABLE private (id int PRIMARY KEY); ALTER TABLE private ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
       CREATE POLICY none ON private USING (id < 0)`,
    );
    await ask('mutation { runMigrations(input: { tenants: ["schema"], wait: true }) { id } }');
    const row = await app.services.directory.byReference('schema');
    await first.rows(`INSERT INTO "${row?.schema}".private VALUES (1)`, [], row?.database);
    const refused = {
      code: 'CONFLICT',
      message: expect.stringMatching(
        /^Row security keeps the role limited from .* of these tables of tenant_\w+, .*: private\. Let a superuser/,
      ),
    };
    expect(await failure('mutation { moveTenant(input: { tenant: "schema", isolation: DATABASE }) { id } }')).toEqual(
      refused,
    );
    expect((await ended('cloneTenant(input: { tenant: "schema", slug: "hidden" })')).error).toMatch(
      /^Row security keeps/,
    );
    expect(await failure('mutation { createCheckpoint(tenant: "schema") { id } }')).toMatchObject({
      message: expect.stringContaining('Row security keeps'),
    });
    await first.rows('ALTER ROLE limited BYPASSRLS');
    expect(await ended('moveTenant(input: { tenant: "schema", isolation: DATABASE })')).toMatchObject(succeeded);
    const now = await app.services.catalog.use((client) =>
      client.query<{ database: string }>(`SELECT database FROM tenants WHERE slug = 'schema'`),
    );
    expect(await first.rows('SELECT id FROM private', [], now.rows[0]?.database)).toEqual([{ id: 1 }]);
  });
});
