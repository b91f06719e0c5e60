import { mkdtempSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findLeftovers } from '../../src/doctor/find-leftovers.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { removeDataDir } from '../support/remove-data-dir.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';
import { hasTerminals, startInTerminal } from '../support/terminal-process.ts';

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

it('setup creates everything, says what to do next, and may be repeated; doctor creates nothing', async () => {
  const env = { NODE_ENV: 'test', DATA_DIR: empty };
  const doctor = await runCommand(['doctor'], env);
  expect(doctor).toMatchObject({
    exit: 1,
    stdout: expect.stringMatching(/✗ There is no database in .* yet\n +Run tenantry setup/),
  });
  expect(await readdir(empty)).toEqual([]);
  const { exit, stdout, stderr } = await runCommand(['setup', '--tenant', 'acme', 'beta'], env);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  expect(stdout.split('\n').filter((line) => line.startsWith('✓'))).toEqual([
    expect.stringMatching(/Node 2\d\./),
    '✓ The settings are valid (test)',
    expect.stringMatching(/PostgreSQL 1\d\.\d+, built in, in /),
    '✓ The databases auth, constants and shared were created',
    '✓ The template for tenants is ready',
    expect.stringMatching(/The tenant acme was created: database db_\w{10}, schema public/),
    expect.stringMatching(/The tenant beta was created/),
  ]);
  expect(stdout).toContain('token --tenant acme');
  const again = await runCommand(['setup', '--tenant', 'acme'], env);
  expect(again).toMatchObject({
    exit: 0,
    stdout: expect.stringContaining('✓ The tenant acme already exists (ACTIVE)'),
  });
  expect(again.stdout).toContain('✓ The databases auth, constants and shared exist and are at the newest version\n');
  expect(await runCommand(['setup', '--tenant', 'acme', 'No_Slug'], env)).toMatchObject({
    exit: 1,
    stderr: expect.stringMatching(/^The tenant No_Slug cannot be created: A slug must have .*\n$/),
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
    stderr: expect.stringMatching(/^PostgreSQL at 127\.0\.0\.1:9 cannot be reached.*DATABASE_URL/),
  });
  const doctor = await runCommand(['doctor'], { DATABASE_URL: 'postgres://a:b@127.0.0.1:9/postgres' });
  expect(doctor).toMatchObject({
    exit: 1,
    stdout: expect.stringMatching(/✗ PostgreSQL at 127\.0\.0\.1:9: Cannot connect to the server: .*\n +DATABASE_URL/),
  });
});

it('setup and doctor report a DATA_DIR that is not writable', async () => {
  const env = { NODE_ENV: 'test', DATA_DIR: '/proc/nowhere/data' };
  const problem = /- DATA_DIR must be a writable folder, but \/proc\/nowhere\/data is not: E[A-Z]+: .* \(\/proc\)\n/;
  for (const command of ['setup', 'doctor']) {
    const { exit, stdout, stderr } = await runCommand([command], env);
    expect({ exit, stderr }).toEqual({ exit: 1, stderr: expect.stringMatching(problem) });
    expect(stdout).not.toContain('The settings are valid');
  }
});

it('doctor names the databases that are missing', async () => {
  const { exit, stdout } = await runCommand(['doctor'], {
    NODE_ENV: 'test',
    DATA_DIR: fleet.app.services.config.dataDir,
    AUTH_DATABASE: 'other_auth',
    SHARED_DATABASE: 'other_shared',
  });
  expect({ exit, stdout }).toEqual({
    exit: 1,
    stdout: expect.stringMatching(/✗ The databases other_auth, other_shared are missing\n.* to create them\n/),
  });
});

it('doctor finds leftovers and, after asking, fixes those whose fix loses no data', async () => {
  for (const slug of ['gone', 'lost', 'index', 'halted']) await tenantry('tenant', 'create', slug);
  await tenantry('tenant', 'create', 'schema', '--isolation', 'schema');
  expect((await tenantry('doctor')).stdout).toContain('✓ There are no leftovers');
  const { database, schema } = await fleet.tenant('lost');
  const admin = await fleet.session('postgres');
  // A database whose tenant is gone, a tenant whose schema is gone, and an index that could not be built.
  const orphan = (await fleet.tenant('gone')).database;
  await fleet.inCatalog(`DELETE FROM tenants WHERE slug = 'gone'`);
  const { database: shared, schema: lost } = await fleet.tenant('schema');
  const owner = await fleet.session(shared);
  await owner.query(`DROP SCHEMA ${lost} CASCADE`);
  await fleet.inTenant(
    'index',
    'INSERT INTO products (sku, name, price, currency, stock) SELECT s, $$x$$, 1, $$EUR$$, 1 FROM unnest(ARRAY[$$a$$, $$b$$]) s',
  );
  await fleet.inTenant('index', 'CREATE UNIQUE INDEX CONCURRENTLY broken ON products (name)').catch(() => undefined);
  await fleet.inTenant('index', 'UPDATE products SET name = sku');
  // A copy that is no checkpoint, and a checkpoint whose copy is gone.
  await tenantry('checkpoint', 'create', 'index');
  const [{ copy } = { copy: '' }] = await fleet.inCatalog<{ copy: string }>(
    `UPDATE checkpoints c SET name = 'lost', database = 'snap_gone000000' FROM checkpoints o WHERE o.id = c.id RETURNING o.database AS copy`,
  );
  // Tenants that a process of long ago was making, and copying. Servers, which look for such now and then, wait for rows.
  const keeper = await fleet.session('auth');
  await keeper.query(`UPDATE tenants SET status = 'PROVISIONING', claimed_by = 1 WHERE slug = 'lost'`);
  await keeper.query(
    `INSERT INTO tenant_maintenances (tenant_id, copy, status_before, claimed_by)
     SELECT id, 'snap_never00000', 'ACTIVE', 1 FROM tenants WHERE slug = 'halted'`,
  );
  await keeper.query(`UPDATE tenants SET status = 'MAINTENANCE' WHERE slug = 'halted'`);
  const { database: shut } = await fleet.tenant('halted');
  await admin.query(`ALTER DATABASE ${shut} WITH ALLOW_CONNECTIONS false`);
  await keeper.query(
    `BEGIN; SELECT FROM tenants WHERE slug = 'lost' FOR UPDATE; SELECT FROM tenant_maintenances FOR UPDATE`,
  );
  const { exit, stdout } = await tenantry('doctor');
  await keeper.query('COMMIT');
  expect(exit).toBe(1);
  expect(stdout).toContain('✗ The tenant lost is PROVISIONING, but no process is working on it');
  expect(stdout).toContain('✗ The tenant halted is in maintenance, but no process is working on it');
  expect(stdout).not.toContain(shut);
  expect(stdout).toContain(`✗ The schema ${lost} of the tenant schema is missing on the server default`);
  expect(stdout).toMatch(new RegExp(`✗ The database ${orphan} .*belongs to no tenant\n.*DROP DATABASE "${orphan}"`));
  expect(stdout).toMatch(new RegExp(`✗ The database ${copy} .* no checkpoint\n.*DROP DATABASE "${copy}"`));
  expect(stdout).toMatch(/✗ The database snap_gone000000 of the checkpoint lost \([\da-f-]{36}\) is missing/);
  expect(stdout).toMatch(/✗ The index public\.broken in the database \w+ on the server default is INVALID/);
  expect(await tenantry('doctor', '--fix')).toMatchObject({ exit: 2, stderr: expect.stringContaining('use --yes') });
  if (hasTerminals) {
    expect(await answer('n\n')).toBe(1);
    expect(await answer('\x03')).toBe(130);
  }
  const fixed = await tenantry('doctor', '--fix', '--yes');
  expect(fixed.exit).toBe(1);
  for (const what of ['The database snap_gone000000', 'The index public.broken']) {
    expect(fixed.stdout).toContain(`\nFixed: ${what}`);
  }
  // What only a person can decide about is left: a database, a schema, a copy, and an index that other tenants don't have.
  const [, after = ''] = fixed.stdout.split('Checking again:');
  expect(after.match(/✗.*/g)).toHaveLength(4);
  expect(after).toMatch(/✗ Tenants at .* differ from .*: index\. index broken exists only in index/);
  await fleet.inTenant('index', 'DROP INDEX broken');
  expect(await fleet.tenant('lost')).toMatchObject({ status: 'ACTIVE', database, schema });
  expect(await fleet.inCatalog(`SELECT status FROM tenants WHERE slug = 'halted'`)).toEqual([{ status: 'ACTIVE' }]);
  const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = ANY ($1)', [[orphan, copy]]);
  expect(rowCount).toBe(2);
  await admin.query(`DROP DATABASE ${orphan}`);
  await admin.query(`DROP DATABASE ${copy}`);
  await fleet.inCatalog(`DELETE FROM tenants WHERE slug = 'schema'`);
  expect(await tenantry('doctor')).toMatchObject({
    exit: 0,
    stdout: expect.stringContaining('There are no leftovers'),
  });
});

it('doctor says why it cannot inspect a database, and continues', async () => {
  const { database } = await fleet.tenant('index');
  const admin = await fleet.session('postgres');
  await admin.query(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS false`);
  const { exit, stdout } = await tenantry('doctor');
  await admin.query(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS true`);
  expect({ exit, stdout }).toEqual({
    exit: 1,
    stdout: expect.stringMatching(new RegExp(`✗ The database ${database} .* cannot be inspected: .* accepting conn`)),
  });
});

it('doctor finds idle sessions that hold locks', async () => {
  const { servers, config } = fleet.app.services;
  const server = servers.get('default');
  if (!server) throw new Error('There is no server');
  const find = async (idleLockSeconds: number) =>
    (
      await findLeftovers({
        servers: new Map([['default', server]]),
        first: 'default',
        databases: config.databases,
        bounds: config.connections.tenantBounds,
        idleLockSeconds,
      })
    ).filter(({ message }) => message.includes('holds a lock and has been idle'));
  const idle = await fleet.sessionIn('index');
  const ended = new Promise((resolve) => idle.on('error', resolve));
  await idle.query('BEGIN; LOCK TABLE products');
  expect(await find(300)).toEqual([]);
  const found = await eventually('the session is seen', async () => {
    const sessions = await find(0);
    return sessions.length > 0 && sessions;
  });
  const [{ fix } = {}] = found;
  if (!fix || fix === 'start') throw new Error('It cannot be fixed');
  const [database = expect.unreachable()] = fix.databases;
  await server.owner(database, (client) => client.query(fix.sql));
  await ended;
  expect(await find(0)).toEqual([]);
});

/** Answers the question of doctor --fix so that it fixes nothing; returns the exit status. */
async function answer(keys: string): Promise<number | null> {
  const { dataDir, migrations } = fleet.app.services.config;
  const env = { NODE_ENV: 'test', DATA_DIR: dataDir, TENANT_MIGRATIONS_DIR: migrations.tenantDir };
  const command = startInTerminal(['doctor', '--fix'], env, 100);
  await command.shows('problems that can be fixed? [y/N]');
  command.type(keys);
  const exit = await command.ended;
  expect(command.raw()).not.toContain('Fixed');
  return exit;
}
