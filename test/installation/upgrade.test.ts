import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet, statusesOf } from '../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { recordedMigrations, replayInstallation } from '../support/replay-installation.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** The version that made the installation: the last one before migrations were parsed by PostgreSQL's own parser. */
const COMMIT = 'f8de371';
/** The migration that creates an extension in the tenant's schema. */
const bookings = '20261122000000_bookings';
const slugs = ['old-db', 'old-schema', 'other-schema'];
let postgres: TestPostgres;
let migrations: MigrationDir;
let common: MigrationDir;
let fleet: Fleet;

beforeAll(async () => {
  postgres = await startTestPostgres();
  await replayInstallation(postgres, COMMIT);
  migrations = await makeMigrationDir({ empty: true });
  common = await makeMigrationDir({ empty: true });
  for (const folder of recordedMigrations) await cp(folder, migrations.path, { recursive: true });
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await migrations[Symbol.asyncDispose]();
  await common[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

it('an installation of an earlier version comes forward when the new code starts, and serves its tenants', async () => {
  const [before] = await postgres.rows<{ count: number }>('SELECT count(*)::int FROM migration_history', [], 'auth');
  fleet = await Fleet.start({
    ...postgres.env,
    TENANT_MIGRATIONS_DIR: migrations.path,
    COMMON_MIGRATIONS_DIR: common.path,
  });
  const files = await fleet.app.services.migrations.auth.read();
  const applied = await fleet.inCatalog<{ name: string; hash: string }>(
    `SELECT name, hash FROM migration_history WHERE status = 'APPLIED' ORDER BY name`,
  );
  expect(applied).toEqual(files.map(({ name, hash }) => ({ name, hash })));
  expect(before?.count).toBeGreaterThan(0);
  for (const slug of slugs) {
    expect(await fleet.versionOf(slug)).toEqual({ version: bookings, behind: 0 });
    const answer = await fleet.app.ask('{ products { nodes { id } } }', await fleet.app.tokenFor(slug));
    expect(answer).toEqual({ data: { products: { nodes: [] } } });
  }
});

it('its tenants are migrated, and keep what they had', async () => {
  await migrations.addReversible(
    '20270101000000_note',
    'ALTER TABLE bookings ADD COLUMN note text',
    'ALTER TABLE bookings DROP COLUMN note',
  );
  const run = await fleet.run();
  expect(statusesOf(run)).toEqual(Object.fromEntries(slugs.map((slug) => [slug, 'SUCCEEDED'])));
  for (const slug of slugs) {
    expect(await fleet.inTenant(slug, 'SELECT room, note FROM bookings')).toEqual([{ room: 1, note: null }]);
    const overlap = `INSERT INTO bookings VALUES (1, '[2027-01-01, 2027-01-02)')`;
    await expect(fleet.inTenant(slug, overlap)).rejects.toMatchObject({ code: '23P01' });
  }
});

it('gets new tenants again once its extension is a migration of common, and the changed file is accepted', async () => {
  const create = (slug: string) =>
    `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: SCHEMA }) { id } }`;
  const refused = await fleet.refusal(create('new-schema'));
  expect(refused.message).toContain('Write a migration in migrations/common instead: CREATE EXTENSION btree_gist');
  const file = `${bookings}.ts`;
  const text = await readFile(path.join(migrations.path, file), 'utf8');
  await migrations.write(file, text.replace(`this.addSql('CREATE EXTENSION IF NOT EXISTS btree_gist');`, ''));
  await common.add('20270101000000_gist', 'CREATE EXTENSION IF NOT EXISTS btree_gist');
  await fleet.ask(`mutation { acceptMigrationHash(migration: "${bookings}") { name } }`);
  expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
  await fleet.createTenants({ 'newer-schema': 'SCHEMA', 'newer-database': 'DATABASE' });
  for (const slug of [...slugs, 'newer-schema', 'newer-database']) {
    const overlap = `INSERT INTO bookings VALUES (1, '[2027-01-01, 2027-01-02)')`;
    await expect(fleet.inTenant(slug, overlap)).rejects.toMatchObject({ code: '23P01' });
  }
});
