import { mkdtempSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { removeDataDir } from '../support/remove-data-dir.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';

const empty = mkdtempSync(path.join(tmpdir(), 'tenantry-setup-'));
let fleet: Fleet;
let tenantry: ReturnType<typeof commandsOf>;

beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
  tenantry = commandsOf(fleet.app);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await removeDataDir(empty);
});

it('setup makes everything from nothing, says what to do next, and may be repeated; doctor makes nothing', async () => {
  const env = { NODE_ENV: 'test', DATA_DIR: empty };
  const doctor = await runCommand(['doctor'], env);
  expect(doctor).toMatchObject({
    exit: 1,
    stdout: expect.stringMatching(/✗ There is no database in .* yet\n +tenantry setup/),
  });
  expect(await readdir(empty)).toEqual([]);
  const { exit, stdout, stderr } = await runCommand(['setup', '--tenant', 'acme', 'beta'], env);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  expect(stdout.split('\n').filter((line) => line.startsWith('✓'))).toEqual([
    expect.stringMatching(/Node 2\d\./),
    '✓ The settings can be used (test)',
    expect.stringMatching(/PostgreSQL 1\d\.\d+, built in, in /),
    '✓ The databases auth, constants and shared are there and at the newest version',
    '✓ The template for tenants is ready',
    expect.stringMatching(/The tenant acme is created: database db_\w{10}, schema public/),
    expect.stringMatching(/The tenant beta is created/),
  ]);
  expect(stdout).toContain('token --tenant acme');
  const again = await runCommand(['setup', '--tenant', 'acme'], env);
  expect(again).toMatchObject({
    exit: 0,
    stdout: expect.stringContaining('✓ The tenant acme is there already (ACTIVE)'),
  });
  expect(await runCommand(['doctor'], env)).toMatchObject({
    exit: 0,
    stdout: expect.stringMatching(/All is well\.\n$/),
  });
});

it('setup says what cannot be reached, and what to set', async () => {
  const { exit, stderr } = await runCommand(['setup'], {
    DATABASE_URL: 'postgres://a:b@127.0.0.1:9/postgres',
    DATA_DIR: empty,
  });
  expect({ exit, stderr }).toEqual({
    exit: 1,
    stderr: expect.stringMatching(/127\.0\.0\.1:9 cannot be reached.*DATABASE_URL/),
  });
  const doctor = await runCommand(['doctor'], { DATABASE_URL: 'postgres://a:b@127.0.0.1:9/postgres' });
  expect(doctor).toMatchObject({
    exit: 1,
    stdout: expect.stringMatching(/✗ It cannot be connected to: .*\n +DATABASE_URL/),
  });
});

it('doctor finds leftovers, and mends those that can be mended without losing anything', async () => {
  for (const slug of ['gone', 'lost', 'index']) await tenantry('tenant', 'create', slug);
  await tenantry('tenant', 'create', 'schema', '--isolation', 'schema');
  expect((await tenantry('doctor')).stdout).toContain('✓ There are no leftovers');
  const { database, schema } = await fleet.tenant('lost');
  const admin = await fleet.session('postgres');
  // A database whose tenant is gone, a tenant whose schema is gone, and one that a process of long ago was making.
  const orphan = (await fleet.tenant('gone')).database;
  await fleet.inCatalog(`DELETE FROM tenants WHERE slug = 'gone'`);
  const { database: shared, schema: lost } = await fleet.tenant('schema');
  const owner = await fleet.session(shared);
  await owner.query(`DROP SCHEMA ${lost} CASCADE`);
  const keeper = await fleet.session('auth');
  await keeper.query(`UPDATE tenants SET status = 'PROVISIONING', claimed_by = 1 WHERE slug = 'lost'`);
  // Servers, which look for such tenants now and then, pass over rows that are locked.
  await keeper.query(`BEGIN; SELECT FROM tenants WHERE slug = 'lost' FOR UPDATE`);
  await fleet.inTenant(
    'index',
    'INSERT INTO products (sku, name, price, currency, stock) SELECT s, $$x$$, 1, $$EUR$$, 1 FROM unnest(ARRAY[$$a$$, $$b$$]) s',
  );
  await fleet.inTenant('index', 'CREATE UNIQUE INDEX CONCURRENTLY broken ON products (name)').catch(() => undefined);
  await fleet.inTenant('index', 'UPDATE products SET name = sku');
  await fleet.inCatalog(`INSERT INTO jobs.job (id, name, data) VALUES (gen_random_uuid(), 'migrate-tenant', '{}')`);
  const { exit, stdout } = await tenantry('doctor');
  expect(exit).toBe(1);
  expect(stdout).toContain('✗ The tenant lost is PROVISIONING, and no process works on it');
  expect(stdout).toContain('✗ 1 jobs in the queue belong to no tenant');
  expect(stdout).toContain(`✗ The schema ${lost} of the tenant schema is gone from the server default`);
  expect(stdout).toMatch(new RegExp(`✗ The database ${orphan} .*belongs to no tenant\n.*DROP DATABASE "${orphan}"`));
  expect(stdout).toMatch(/✗ The index public\.broken in the database \w+ on the server default is INVALID/);
  await keeper.query('COMMIT');
  const fixed = await tenantry('doctor', '--fix');
  expect(fixed.exit).toBe(1);
  expect(fixed.stdout.match(/✓ Mended: /g)).toHaveLength(2);
  // What only a person can decide about is left.
  await eventually('the tenant is finished', async () => (await fleet.tenant('lost')).status === 'ACTIVE');
  const after = await tenantry('doctor');
  expect(after.stdout.match(/✗/g)).toHaveLength(2);
  expect(await fleet.tenant('lost')).toMatchObject({ status: 'ACTIVE', database, schema });
  const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [orphan]);
  expect(rowCount).toBe(1);
});
