import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneTenant } from '../support/clones.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet, statusesOf } from '../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { type RecordedMigrations, recordedMigrations, replayInstallation } from '../support/replay-installation.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** The migration of the installations' tenants that needs an extension. */
const bookings = '20261122000000_bookings';
const slugs = ['old-db', 'old-schema', 'other-schema'];

interface Recording {
  /** The version that made the installation. */
  readonly commit: string;
  /** Its migrations. */
  readonly tenant: readonly RecordedMigrations[];
  readonly common: readonly RecordedMigrations[];
}

/** The last version before migrations were parsed by PostgreSQL's own parser: the migration creates the extension itself. */
const beforeParser: Recording = { commit: 'f8de371', tenant: ['migrations', 'later-migrations'], common: [] };
/** The last version before tenants could be moved, cloned, exported and undeleted. */
const beforeTransfers: Recording = { commit: '0c013fa', tenant: ['migrations', 'with-common'], common: ['common'] };

describe.each([beforeParser, beforeTransfers])('an installation of the version $commit', (recording) => {
  let postgres: TestPostgres;
  let migrations: MigrationDir;
  let common: MigrationDir;
  let fleet: Fleet;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    await replayInstallation(postgres, recording.commit);
    migrations = await makeMigrationDir({ empty: true });
    common = await makeMigrationDir({ empty: true });
    for (const folder of recording.tenant) await cp(recordedMigrations(folder), migrations.path, { recursive: true });
    for (const folder of recording.common) await cp(recordedMigrations(folder), common.path, { recursive: true });
  });
  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
    await common[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  it('comes forward when the new code starts, and serves its tenants', async () => {
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

  it.runIf(recording === beforeParser)(
    'gets new tenants again once its extension is a migration of common, and the changed file is accepted',
    async () => {
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
    },
  );

  it.runIf(recording === beforeTransfers)('lets its tenants move, be cloned, and come back from the bin', async () => {
    const product = `INSERT INTO products (sku, name, price, currency, stock) VALUES ('old', 'n', 1, 'EUR', 0)`;
    for (const slug of slugs) await fleet.inTenant(slug, product);
    const { id } = (
      await fleet.ask<{ moveTenant: { id: string } }>(
        'mutation { moveTenant(input: { tenant: "old-schema", isolation: DATABASE, keepHours: 0 }) { id } }',
      )
    ).moveTenant;
    await eventually('it has moved', async () => {
      const query = `{ tenantTransfer(id: "${id}") { endedAt status error } }`;
      const { tenantTransfer } = await fleet.ask<{ tenantTransfer: { endedAt: string | null } }>(query);
      if (tenantTransfer.endedAt !== null) expect(tenantTransfer).toMatchObject({ status: 'SUCCEEDED', error: null });
      return tenantTransfer.endedAt !== null;
    });
    expect(await fleet.tenant('old-schema')).toMatchObject({ isolation: 'DATABASE', status: 'ACTIVE' });
    await cloneTenant(fleet.app, 'other-schema', 'sandbox');
    await fleet.ask('mutation { deleteTenant(id: "old-db", slug: "old-db") { id } }');
    await fleet.ask('mutation { undeleteTenant(id: "old-db") { id } }');
    for (const slug of [...slugs, 'sandbox']) {
      const answer = await fleet.app.ask('{ products { nodes { sku } } }', await fleet.app.tokenFor(slug));
      expect(answer).toEqual({ data: { products: { nodes: [{ sku: 'old' }] } } });
    }
  });
});
