import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exportTo, importFrom, leftovers } from '../support/archives.ts';
import { childEnv } from '../support/child-env.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { programs } from '../support/product.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';
import { startCommand } from '../support/server-process.ts';

const stack = new AsyncDisposableStack();
let fleet: Fleet;
let folder: string;
let env: Record<string, string>;
let before: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tenantry-archives-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  fleet = stack.use(await Fleet.start());
  await fleet.createTenants({ acme: 'DATABASE' });
  await fleet.inTenant(
    'acme',
    `INSERT INTO products (sku, name, price, currency, stock)
     SELECT n::text, md5(n::text) || repeat('é\\', n % 50), n, 'EUR', n FROM generate_series(1, 100000) n`,
  );
  await exportTo(fleet, 'acme', path.join(folder, 'archive'));
  const { dataDir, migrations } = fleet.app.services.config;
  env = { NODE_ENV: 'test', DATA_DIR: dataDir, TENANT_MIGRATIONS_DIR: migrations.tenantDir };
  before = await leftovers(fleet);
});
afterAll(() => stack.disposeAsync());

const sumOf = (slug: string) =>
  fleet.inTenant(slug, `SELECT count(*)::int AS n, md5(string_agg(p::text, '' ORDER BY id)) AS md5 FROM products p`);

const remove = (slug: string) =>
  fleet.ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { id } }`);

it('an archive goes from one process to another through a pipe', async () => {
  const script = `"$1" "$2" tenant export acme | "$1" "$2" tenant import - --slug piped --isolation schema`;
  const program = [process.execPath, path.resolve(programs.cli)];
  const child = spawn('bash', ['-o', 'pipefail', '-c', script, 'bash', ...program], {
    env: { ...childEnv, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('Imported the tenant piped') });
  expect(output).toMatch(/Exported the tenant acme: 100,000 rows of 3 tables and 0 files in \d/);
  expect(await sumOf('piped')).toEqual(await sumOf('acme'));
  await remove('piped');
});

it('an export whose output cannot be written says so', async () => {
  const child = spawn(
    'bash',
    ['-c', '"$1" "$2" tenant export acme > /dev/full', 'bash', process.execPath, path.resolve(programs.cli)],
    {
      env: { ...childEnv, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let output = '';
  child.stderr.on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('ENOSPC: no space left on device') });
});

it('an export that is interrupted leaves no file', async () => {
  const file = path.join(folder, 'interrupted');
  await using command = startCommand(['tenant', 'export', 'acme', '--out', file], env);
  await eventually('the export begins', async () => (await readdir(folder)).includes('interrupted.part'));
  command.signal('SIGINT');
  expect(await command.ended).toEqual({ code: 130, signal: null });
  expect(await readdir(folder)).toEqual(['archive']);
});

it('an export is only readable by its owner, and does not replace one that is being written', async () => {
  expect((await stat(path.join(folder, 'archive'))).mode & 0o777).toBe(0o600);
  await writeFile(path.join(folder, 'other.part'), '');
  await expect(exportTo(fleet, 'acme', path.join(folder, 'other'))).rejects.toThrow(
    /other\.part exists: another command is writing .*other, or was killed\. If none is running, delete/,
  );
  await rm(path.join(folder, 'other.part'));
});

it.each(seeds(2))('an import that is killed leaves nothing, and can be repeated (seed %i)', async (seed) => {
  const random = seededRandom(seed);
  const slug = `killed-${seed}`;
  const isolation = random.chance(0.5) ? 'schema' : 'database';
  const argv = ['tenant', 'import', path.join(folder, 'archive'), '--slug', slug, '--isolation', isolation];
  const command = startCommand(argv, env);
  const exists = async () => (await fleet.inCatalog('SELECT FROM tenants WHERE slug = $1', [slug])).length > 0;
  await Promise.race([eventually('the import begins', exists), command.ended]);
  // A random moment of what comes next. Whatever it hits must be undone.
  await sleep(random.int(0, 1_500));
  await command.end('SIGKILL');
  await eventually('the tenant is gone or served', async () => {
    const rows = await fleet.inCatalog<{ status: string }>('SELECT status FROM tenants WHERE slug = $1', [slug]);
    return rows.every(({ status }) => status === 'ACTIVE');
  });
  if (await exists()) {
    // It was done before it was killed.
    await remove(slug);
  } else {
    // The slug is free before the end of the transfer is told.
    await eventually('the transfer has failed', async () => {
      const [transfer] = await fleet.inCatalog('SELECT FROM tenant_transfers WHERE slug = $1 AND status = $2', [
        slug,
        'FAILED',
      ]);
      return transfer !== undefined;
    });
  }
  await eventually('nothing is left', async () => (await leftovers(fleet)).join() === before.join());
  const again = await importFrom(fleet, path.join(folder, 'archive'), slug, '--isolation', isolation);
  expect(again).toMatchObject({ exit: 0 });
  expect(await sumOf(slug)).toEqual(await sumOf('acme'));
  await remove(slug);
});
