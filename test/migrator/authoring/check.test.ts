import { execFileSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { recordedMigrations } from '../../../src/fleet/applied-migrations.ts';
import { checkMigrations, type Finding } from '../../../src/migrator/authoring/check.ts';
import { committedMigrations } from '../../../src/migrator/authoring/git-history.ts';
import { readSnapshot } from '../../../src/migrator/authoring/schema-snapshot.ts';
import { MigrationFolder } from '../../../src/migrator/files/migration-folder.ts';
import { type MigrationDir, makeMigrationDir } from '../../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';

let app: TestApp;
let migrations: MigrationDir;
const written = new Set<string>();

beforeAll(async () => {
  migrations = await makeMigrationDir();
  app = await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path });
});
afterEach(async () => {
  for (const name of written) await migrations.remove(name);
  written.clear();
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await migrations[Symbol.asyncDispose]();
});

const write = async (name: string, up: string, down?: string) => {
  written.add(name);
  await (down === undefined ? migrations.add(name, up) : migrations.addReversible(name, up, down));
};

/** Checks the tenant line, or others too, against what this installation has, or what a revision of git has. */
async function check({
  all = false,
  revision,
}: {
  all?: boolean;
  revision?: string;
} = {}): Promise<readonly Finding[]> {
  const { catalog, constants, migrations: folders, tables, servers } = app.services;
  const recorded = await recordedMigrations(catalog, constants.pool);
  const server = servers.get('default');
  if (!server) throw new Error('no server');
  const lines = (all ? Object.values(folders) : [folders.tenant]).map((folder) => ({
    folder,
    tables: tables[folder.scope],
    recorded: recorded[folder.scope],
  }));
  if (revision !== undefined) {
    const applied = await committedMigrations(folders.tenant, revision);
    lines.splice(0, 1, { folder: folders.tenant, tables: tables.TENANT, recorded: [{ source: revision, applied }] });
  }
  return checkMigrations({ server, authDatabase: 'auth', lockTimeoutMs: 2_000, lines });
}

const scratchDatabases = async () => {
  const { rows } = await app.services.catalog.use((client) =>
    client.query(`SELECT datname FROM pg_database WHERE datname LIKE 'auth\\_check\\_%'`),
  );
  return rows;
};

it('finds nothing in the migrations and entities of this checkout, in all lines', async () => {
  expect(await check({ all: true })).toEqual([]);
  expect(await scratchDatabases()).toEqual([]);
});

it('finds entities that the migrations do not make, with the SQL that is missing', async () => {
  await write('20270101000000_drop', 'ALTER TABLE products DROP COLUMN stock', 'SELECT 1');
  expect(await check()).toEqual([
    {
      kind: 'ENTITIES_DIFFER',
      scope: 'TENANT',
      message: expect.stringContaining('Write a migration'),
      sql: [expect.stringMatching(/^alter table "products" add "stock" int/), expect.stringContaining('stock >= 0')],
    },
  ]);
});

it('finds in auth what entities need, and lets its tables have more', async () => {
  const { auth } = app.services.migrations;
  const server = app.services.servers.get('default');
  const differ = async (sql: string) => {
    await server?.owner('auth', (client) => client.query(sql));
    const found = await server?.owner('auth', (client) =>
      app.services.tables[auth.scope].differences(client, 'public'),
    );
    return found?.join('\n');
  };
  expect(await differ('ALTER TABLE users ADD COLUMN more text; CREATE INDEX more ON users (name)')).toBe('');
  expect(await differ('ALTER TABLE users RENAME COLUMN name TO called')).toMatch(
    /^alter table "users" add "name" text/,
  );
  expect(await differ('ALTER TABLE users RENAME COLUMN called TO name')).toBe('');
  expect(await differ('ALTER TABLE tenants ALTER COLUMN name DROP NOT NULL')).toMatch(/set not null/);
  expect(await differ('ALTER TABLE tenants ALTER COLUMN name SET NOT NULL')).toBe('');
});

it('finds a snapshot that says something else than these migrations make, and lets it be missing or old', async () => {
  const snapshot = path.join(migrations.path, '.snapshot.json');
  const stored = await readFile(snapshot, 'utf8');
  const finding = (message: string) => [
    { kind: 'SNAPSHOT_WRONG', scope: 'TENANT', message: expect.stringContaining(message) },
  ];
  await writeFile(snapshot, stored.replace(/^.*"name":"stock".*\n/m, ''));
  expect(await check()).toEqual(finding('does not match what the migrations create. Recreate it: tenantry'));
  await writeFile(snapshot, `<<<<<<< HEAD\n${stored}`);
  expect(await check()).toEqual(finding('has merge conflicts'));
  await rm(snapshot);
  expect(await check()).toEqual([]);
  await writeFile(snapshot, stored);
  await write('20270101000000_comment', "COMMENT ON TABLE products IS 'x'", 'COMMENT ON TABLE products IS NULL');
  expect((await check()).map(({ kind }) => kind)).toEqual(['ENTITIES_DIFFER']);
});

it('the snapshots beside the migrations are of these; if not, make them anew: tenantry migrate snapshot', async () => {
  for (const folder of Object.values(app.services.migrations)) {
    const files = await folder.read();
    const stored = await readSnapshot(folder, files);
    if (folder.scope === 'COMMON') {
      // It has no migrations, and so no tables.
      expect({ files, stored }).toMatchObject({ files: [], stored: { kind: 'none' } });
      continue;
    }
    expect({ scope: folder.scope, stored }).toMatchObject({ stored: { kind: 'read', stale: undefined } });
  }
});

it('finds files that cannot be taken back', async () => {
  await write('20270101000000_one', 'SELECT 1');
  expect(await check()).toMatchObject([{ kind: 'IRREVERSIBLE', scope: 'TENANT', migration: '20270101000000_one' }]);
});

it('lets a backfill have no down(), and finds one that cannot be carried out', async () => {
  const name = '20270101000000_fill';
  written.add(name);
  await migrations.addBackfill(name, 'products', "UPDATE products SET name = '' WHERE name = 'x' AND KEYS");
  expect(await check()).toEqual([]);
  const broken: Record<string, [table: string, statement: string]> = {
    'invalid reference to FROM-clause entry': ['products', "UPDATE products AS p SET name = '' WHERE KEYS"],
    'there is no table gone': ['gone', "UPDATE products SET name = '' WHERE KEYS"],
    'has to use the condition it is given': ['products', "UPDATE products SET name = ''"],
  };
  for (const [message, [table, statement]] of Object.entries(broken)) {
    await migrations.addBackfill(name, table, statement);
    expect(await check()).toMatchObject([{ kind: 'BROKEN', message: expect.stringContaining(message) }]);
  }
});

it('finds files that fail on an empty database', async () => {
  await write('20270101000000_one', 'ALTER TABLE nothing ADD COLUMN x int', 'SELECT 1');
  expect(await check()).toMatchObject([
    { kind: 'BROKEN', scope: 'TENANT', migration: '20270101000000_one', message: expect.stringContaining('nothing') },
  ]);
  expect(await scratchDatabases()).toEqual([]);
});

it('finds files that are no migrations', async () => {
  await write('not-a-migration', 'SELECT 1', 'SELECT 1');
  expect(await check()).toMatchObject([
    { kind: 'BROKEN', scope: 'TENANT', message: expect.stringContaining('is not a valid migration name') },
  ]);
});

it('finds files that do not fit what the fleet has: changed, misordered, gone', async () => {
  await write('20270201000000_two', 'SELECT 2', 'SELECT 1');
  await write('20270301000000_three', 'SELECT 3', 'SELECT 1');
  const { errors } = await app.ask('mutation { createTenant(input: { slug: "one", name: "x" }) { id } }', app.admin);
  expect(errors).toBeUndefined();
  expect(await check()).toEqual([]);
  await write('20270101000000_one', 'SELECT 1', 'SELECT 1');
  await write('20270301000000_three', 'SELECT 33', 'SELECT 1');
  await migrations.remove('20270201000000_two');
  written.delete('20270201000000_two');
  const kinds = (await check()).map(({ kind, scope, migration }) => `${kind} ${scope} ${migration}`);
  expect(kinds).toEqual([
    'MISORDERED TENANT 20270101000000_one',
    'MISSING TENANT 20270201000000_two',
    'CHANGED TENANT 20270301000000_three',
  ]);
  await app.services.catalog.use((client) => client.query('DELETE FROM tenants; DELETE FROM migration_states'));
});

it('finds files that do not fit a branch of git', async () => {
  const git = (...args: string[]) => execFileSync('git', ['-C', migrations.path, ...args], { stdio: 'pipe' });
  await write('20270201000000_two', 'SELECT 2', 'SELECT 1');
  git('init', '--quiet', '--initial-branch', 'deployed');
  git('add', '.');
  git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'commit', '--quiet', '--message', 'x');
  await write('20270101000000_one', 'SELECT 1', 'SELECT 1');
  await migrations.addReversible('20270201000000_two', 'SELECT 22', 'SELECT 1');
  expect(await check({ revision: 'deployed' })).toMatchObject([
    { kind: 'MISORDERED', migration: '20270101000000_one', message: expect.stringContaining('deployed') },
    { kind: 'CHANGED', migration: '20270201000000_two' },
  ]);
  const folder = app.services.migrations.tenant;
  await expect(committedMigrations(folder, '--help')).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  await expect(committedMigrations(folder, 'no-branch')).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringMatching(/^git cannot list the migrations of .* at no-branch: fatal: .*$/),
  });
});

it('cleans up after a check that was killed, and leaves databases of similar names', async () => {
  const server = app.services.servers.get('default');
  await server?.admin(async (admin) => {
    await admin.query('CREATE DATABASE auth_check_0123456789ab');
    await admin.query('CREATE DATABASE auth_check_of_mine');
  });
  expect(await check()).toEqual([]);
  expect(await scratchDatabases()).toEqual([{ datname: 'auth_check_of_mine' }]);
});

it('can be made twice at once', async () => {
  expect(await Promise.all([check(), check()])).toEqual([[], []]);
});

it('finds what depends on how the migrations are applied, with the file that makes it', async () => {
  await write(
    '20270101000000_databases',
    `DO $$ BEGIN IF current_schema() = 'public' THEN CREATE TABLE only_databases (id int); END IF; END $$`,
    'DROP TABLE IF EXISTS only_databases',
  );
  await write(
    '20270102000000_values',
    `CREATE TABLE sources AS SELECT current_schema() = 'public' AS own, gen_random_uuid() AS id, clock_timestamp() AS at`,
    'DROP TABLE sources',
  );
  const found = (await check()).filter(({ kind }) => kind === 'DIFFERS');
  const differs = (migration: string, what: string) => ({
    kind: 'DIFFERS',
    scope: 'TENANT',
    migration,
    message: expect.stringMatching(`^${migration}: ${what}`),
  });
  expect(found).toEqual(
    ['in a schema', 'in a second schema'].flatMap((way) => [
      differs('20270101000000_databases', 'table only_databases exists only with all files in one run'),
      differs('20270102000000_values', `values sources.own is .* with all files in one run, but .* ${way}`),
    ]),
  );
});

it('finds what cannot be applied again after it was reverted', async () => {
  await write('20270101000000_left', 'CREATE TYPE left_over AS ENUM ()', 'SELECT 1');
  expect(await check()).toContainEqual({
    kind: 'BROKEN',
    scope: 'TENANT',
    migration: '20270101000000_left',
    message: expect.stringMatching(
      /"left_over" already exists[\s\S]*\(This fails when everything is reverted and applied again\)$/,
    ),
  });
});

it('never throws, whatever a migration does', async () => {
  await write('20270101000000_ends', 'SELECT pg_terminate_backend(pg_backend_pid())', 'SELECT 1');
  expect(await check()).toMatchObject([{ kind: 'BROKEN', scope: 'TENANT', migration: '20270101000000_ends' }]);
  expect(await check()).toHaveLength(1);
  expect(await scratchDatabases()).toEqual([{ datname: 'auth_check_of_mine' }]);
});

it('brings common forward first, and finds what is wrong there only once', async () => {
  await using common = await makeMigrationDir({ empty: true });
  const server = app.services.servers.get('default');
  if (!server) throw new Error('no server');
  const { tables, migrations: folders } = app.services;
  const shared = new MigrationFolder(common.path, 'COMMON');
  const lines = [
    { folder: shared, tables: tables.COMMON },
    { folder: folders.tenant, common: shared, tables: tables.TENANT },
  ];
  const checked = () => checkMigrations({ server, authDatabase: 'auth', lockTimeoutMs: 2_000, lines });
  await common.addReversible(
    '20270101000000_twice',
    `CREATE FUNCTION twice(int) RETURNS int RETURN 2 * $1`,
    'DROP FUNCTION twice',
  );
  await write('20270101000000_use', 'ALTER TABLE products ADD CHECK (twice(stock) >= 0)', 'SELECT 1');
  expect((await checked()).map(({ kind }) => kind)).not.toContain('BROKEN');
  await common.add('20270101000000_twice', 'SELECT nonsense');
  expect((await checked()).filter(({ kind }) => kind === 'BROKEN')).toMatchObject([
    { scope: 'COMMON', migration: '20270101000000_twice' },
  ]);
});
