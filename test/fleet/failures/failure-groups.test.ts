import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';
import { commandsOf } from '../../support/run-command.ts';

interface Group {
  readonly error: string;
  readonly code: string | null;
  readonly migration: string | null;
  readonly statement: string | null;
  readonly count: number;
  readonly tenants: readonly { readonly slug: string }[];
}

interface Wave {
  readonly number: number;
  readonly size: number;
  readonly status: string;
  readonly done: number;
  readonly failed: number;
  readonly remaining: number;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

interface Run {
  readonly failures: readonly Group[];
  readonly waveStatus: readonly Wave[];
  readonly rate: number | null;
  readonly remainingSeconds: number | null;
}

let fleet: Fleet;
let run: string;

const fields = `failures { error code migration statement count tenants { slug } }
  waveStatus { number size status done failed remaining startedAt endedAt } rate remainingSeconds`;

async function show(id: string): Promise<Run> {
  return (await fleet.ask<{ migrationRun: Run }>(`{ migrationRun(id: "${id}") { ${fields} } }`)).migrationRun;
}

/** Without times. */
const shape = (waves: readonly Wave[]) =>
  waves.map(({ number, size, status, done, failed, remaining }) => [number, size, status, done, failed, remaining]);

beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({
    'first-1': 'SCHEMA',
    'dup-1': 'DATABASE',
    'dup-2': 'SCHEMA',
    'text-1': 'SCHEMA',
    'text-2': 'DATABASE',
    'raise-1': 'SCHEMA',
    'raise-2': 'DATABASE',
    'last-1': 'SCHEMA',
  });
  for (const slug of ['dup-1', 'dup-2', 'text-1', 'text-2', 'raise-1', 'raise-2']) {
    const names = slug.startsWith('dup') ? [slug, slug] : [slug];
    const rows = names.map((name, index) => `('${slug}-${index}', '${name}', 1, 'EUR', 0)`);
    await fleet.inTenant(slug, `INSERT INTO products (sku, name, price, currency, stock) VALUES ${rows.join()}`);
  }
  await fleet.migrations.add(
    '20270101000000_strict',
    'CREATE UNIQUE INDEX products_name ON products (name)',
    `SELECT (sku || ' is no number')::int FROM products WHERE name LIKE 'text%'`,
    `DO $$ DECLARE found text; BEGIN
       SELECT sku INTO found FROM products WHERE name LIKE 'raise%';
       IF found IS NOT NULL THEN
         RAISE EXCEPTION 'product ''%'' in % is one of % too many', found, current_schema(), length(found) + random() * 1000;
       END IF;
     END $$`,
  );
  run = (await fleet.run('waves: ["1", "100%"] maxFailures: 100')).id;
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

it('groups the failures of a run by what they have in common', async () => {
  const { failures } = await show(run);
  const migration = '20270101000000_strict';
  expect(failures).toEqual([
    {
      error: 'could not create unique index "products_name"',
      code: '23505',
      migration,
      statement: 'CREATE UNIQUE INDEX products_name ON products (name)',
      count: 2,
      tenants: [{ slug: 'dup-1' }, { slug: 'dup-2' }],
    },
    {
      error: 'invalid input syntax for type integer: "…"',
      code: '22P02',
      migration,
      statement: `SELECT (sku || '…')::int FROM products WHERE name LIKE '…'`,
      count: 2,
      tenants: [{ slug: 'text-1' }, { slug: 'text-2' }],
    },
    {
      // The schema of a tenant with its own database is public.
      error: expect.stringMatching(/^product '…' in (…|public) is one of … too many$/),
      code: 'P0001',
      migration,
      statement: expect.stringMatching(/^DO \$\$ DECLARE found text; .*RAISE EXCEPTION '…'/),
      count: 1,
      tenants: [{ slug: 'raise-1' }],
    },
    {
      error: expect.stringContaining('public'),
      code: 'P0001',
      migration,
      statement: expect.any(String),
      count: 1,
      tenants: [{ slug: 'raise-2' }],
    },
  ]);
  const { migrationRun } = await fleet.ask<{ migrationRun: Run }>(
    `{ migrationRun(id: "${run}") { failures { tenants(first: 1) { slug } } } }`,
  );
  expect(migrationRun.failures[0]?.tenants).toEqual([{ slug: 'dup-1' }]);
});

it('shows the waves of a run and its pace', async () => {
  const { waveStatus, rate, remainingSeconds } = await show(run);
  expect(shape(waveStatus)).toEqual([
    [1, 1, 'SUCCEEDED', 1, 0, 0],
    [2, 7, 'FAILED', 7, 6, 0],
  ]);
  for (const { startedAt, endedAt } of waveStatus) {
    expect(Date.parse(startedAt ?? '')).toBeLessThanOrEqual(Date.parse(endedAt ?? ''));
  }
  expect(rate).toBeGreaterThan(0);
  expect(remainingSeconds).toBe(0);
});

it('shows the waves that were not started as cancelled, and after the run is resumed those of the rest', async () => {
  for (const slug of ['dup-1', 'dup-2', 'text-1', 'text-2', 'raise-1', 'raise-2']) {
    await fleet.inTenant(slug, 'DELETE FROM products');
  }
  await fleet.inTenant(
    'dup-1',
    `INSERT INTO products (sku, name, price, currency, stock) VALUES ('x', 'stop', 1, 'EUR', 0)`,
  );
  await fleet.migrations.addReversible(
    '20270102000000_more',
    `SELECT 1 / stock FROM products WHERE name = 'stop'`,
    'SELECT 1',
  );
  const halted = (await fleet.run('waves: ["2", "2", "100%"]')).id;
  expect(shape((await show(halted)).waveStatus)).toEqual([
    [1, 2, 'FAILED', 2, 1, 0],
    [2, 2, 'CANCELLED', 0, 0, 0],
    [3, 4, 'CANCELLED', 0, 0, 0],
  ]);
  await fleet.inTenant('dup-1', 'DELETE FROM products');
  await fleet.resume(halted);
  const resumed = await show(halted);
  expect(shape(resumed.waveStatus)).toEqual([
    [1, 2, 'SUCCEEDED', 2, 0, 0],
    [2, 2, 'SUCCEEDED', 2, 0, 0],
    [3, 3, 'SUCCEEDED', 3, 0, 0],
  ]);
  expect(resumed.failures).toEqual([]);
});

it('lists runs by status and kind', async () => {
  const ids = async (args: string) => {
    const { migrationRuns } = await fleet.ask<{
      migrationRuns: { totalCount: number; nodes: { status: string; kind: string }[] };
    }>(`{ migrationRuns${args} { totalCount nodes { status kind } } }`);
    expect(migrationRuns.totalCount).toBe(migrationRuns.nodes.length);
    return migrationRuns.nodes.map(({ status, kind }) => `${kind} ${status}`);
  };
  await fleet.ask(
    'mutation { rollbackMigrations(input: { steps: 1, tenants: ["first-1"], wait: true, dryRun: true }) { id } }',
  );
  expect(await ids('(status: FAILED)')).toEqual(['UP FAILED']);
  expect(await ids('(kind: UP)')).toEqual(['UP SUCCEEDED', 'UP FAILED']);
  expect(await ids('(kind: DOWN, status: SUCCEEDED)')).toHaveLength(1);
  expect(await ids('(kind: UNDO)')).toEqual([]);
});

it('prints the fleet on one screen, and follows the newest run', async () => {
  const command = commandsOf(fleet.app);
  await fleet.migrations.add('20270103000000_fails', 'SELECT 1 / 0');
  const failing = (await fleet.run('tenants: ["first-1", "dup-1"]')).id;
  const { stdout, exit } = await command('status');
  expect(exit).toBe(0);
  expect(stdout).toContain('8 tenants, 8 behind, 0 in need of attention');
  expect(stdout).toContain('ACTIVE 8');
  expect(stdout).toContain('SCHEMA 5');
  expect(stdout).toContain(`The newest run: UP ${failing} FAILED: 2/2 done, 2 failed`);
  expect(stdout).toContain('2 × 20270103000000_fails, 22012: division by zero (first-1, dup-1)');
  expect(stdout).toMatch(/^default\t8\t\d+\t\d+\t1\t64\tanswers$/m);

  const json = JSON.parse((await command('status', '--json')).stdout);
  expect(json).toMatchObject({
    total: 8,
    behind: 8,
    byStatus: [{ status: 'ACTIVE', count: 8 }],
    byVersion: [{ version: '20270102000000_more', count: 8, behind: 8 }],
    byServer: [{ server: 'default', count: 8 }],
    byIsolation: [
      { isolation: 'DATABASE', count: 3 },
      { isolation: 'SCHEMA', count: 5 },
    ],
    needAttention: [],
    unfinished: [],
    newest: { run: failing, status: 'FAILED', failures: [{ count: 2, tenants: ['first-1', 'dup-1'] }] },
    servers: [{ name: 'default', answers: true, connections: expect.any(Number), maxConnections: expect.any(Number) }],
  });

  const watched = await command('migrate', 'watch');
  expect(watched.stderr).toContain(`The newest run is ${failing} (UP, FAILED).`);
  expect(watched.stdout).toContain('division by zero');
  expect(watched.exit).toBe(1);
});

it('masks the values in errors that code raises, whatever their SQLSTATE', async () => {
  await fleet.migrations.add(
    '20270103000000_fails',
    `DO $$ BEGIN RAISE EXCEPTION 'product "Lamp" is there twice' USING ERRCODE = 'unique_violation'; END $$`,
  );
  const { failures } = await show((await fleet.run('tenants: ["first-1"]')).id);
  expect(failures).toMatchObject([{ code: '23505', error: 'product "…" is there twice' }]);
});
