import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPromise } from 'yauzl';
import { exportTo } from '../support/archives.ts';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

const stack = new AsyncDisposableStack();
let fleet: Fleet;
let folder: string;

const awkward = `a "quoted", value\n=1+1\t\\N \\. é 😀`;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tenantry-archives-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  fleet = stack.use(await Fleet.start());
  await fleet.migrations.add(
    '20261122000000_more',
    `CREATE TABLE "a/b: odd" (id int PRIMARY KEY, "row" json, doubled int GENERATED ALWAYS AS (id * 2) STORED);
     CREATE TABLE parts (day date, v text) PARTITION BY RANGE (day);
     CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
     CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
     CREATE DOMAIN amount AS numeric; CREATE DOMAIN fine AS amount;
     CREATE TABLE numbers (small int, big bigint, exact numeric, own fine, bigs bigint[], owns amount[], half float8)`,
  );
  await fleet.createTenants({ acme: 'SCHEMA' });
  const session = await fleet.sessionIn('acme');
  await session.query(
    `INSERT INTO products (sku, name, price, currency, stock) SELECT n::text, $1, n, 'EUR', n FROM generate_series(1, 3) n`,
    [awkward],
  );
  await session.query(`INSERT INTO "a/b: odd" VALUES (1, E'{"a":\\n [1, "\\\\\\\\"]}'), (2, NULL)`);
  await session.query(
    `INSERT INTO numbers (small) VALUES (NULL); INSERT INTO numbers VALUES (1, 9007199254740993, 0.1000000000000000000001, 123456789012345678901234567890, '{{9223372036854775807,NULL}}', '{1.10}', 0.5)`,
  );
  await session.query(`INSERT INTO parts VALUES ('2025-01-01', ''), ('2026-01-01', NULL)`);
  await fleet.end(session);
});
afterAll(() => stack.disposeAsync());

async function filesOf(format: string, name = format): Promise<Readonly<Record<string, string>>> {
  const file = path.join(folder, name);
  const { stdout } = await exportTo(fleet, 'acme', file, '--format', format);
  expect(stdout).toMatch(/^Exported the tenant acme to .*: 9 rows of 6 tables and 0 files in /);
  const zip = await openPromise(file);
  const found: Record<string, string> = {};
  for await (const entry of zip.eachEntry()) found[entry.fileName] = await text(await zip.openReadStreamPromise(entry));
  return found;
}

describe('tenantry tenant export', () => {
  it('writes a zip file with a CSV file for each table', async () => {
    const files = await filesOf('csv');
    expect(Object.keys(files).sort()).toEqual([
      'README.txt',
      'tables/a_b_ odd.csv',
      'tables/numbers.csv',
      'tables/order_lines.csv',
      'tables/orders.csv',
      'tables/parts.csv',
      'tables/products.csv',
    ]);
    expect(files['README.txt']).toMatch(/The data of x \(acme\), as it was on/);
    const products: readonly Record<string, string>[] = parse(files['tables/products.csv'] ?? '', { columns: true });
    expect(products.map(({ sku, name }) => ({ sku, name }))).toEqual(
      ['1', '2', '3'].map((sku) => ({ sku, name: awkward })),
    );
    expect(files['tables/orders.csv']).toBe('id,placed_at,total,currency\n');
    expect(files['tables/parts.csv']).toBe('day,v\n2025-01-01,""\n2026-01-01,\n');
  });

  it('writes a zip file with a JSON file for each table', async () => {
    const files = await filesOf('json');
    const rows = (name: string): unknown => JSON.parse(files[`tables/${name}.json`] ?? '');
    expect(rows('products')).toMatchObject([1, 2, 3].map((stock) => ({ name: awkward, stock })));
    expect(rows('orders')).toEqual([]);
    expect(rows('a_b_ odd')).toEqual([
      { id: 1, row: { a: [1, '\\'] }, doubled: 2 },
      { id: 2, row: null, doubled: 4 },
    ]);
    expect(rows('parts')).toEqual([
      { day: '2025-01-01', v: '' },
      { day: '2026-01-01', v: null },
    ]);
  });

  it('loses no digit of a number in JSON, whatever reads it', async () => {
    const files = await filesOf('json', 'digits');
    expect(JSON.parse(files['tables/numbers.json'] ?? '')).toEqual([
      { small: null, big: null, exact: null, own: null, bigs: null, owns: null, half: null },
      {
        small: 1,
        big: '9007199254740993',
        exact: '0.1000000000000000000001',
        own: '123456789012345678901234567890',
        bigs: [['9223372036854775807', null]],
        owns: ['1.10'],
        half: 0.5,
      },
    ]);
  });

  it('replaces no file unless told to', async () => {
    const run = commandsOf(fleet.app);
    const file = path.join(folder, 'once.zip');
    await writeFile(file, 'precious');
    const refused = await run('tenant', 'export', 'acme', '--format', 'csv', '--out', file);
    expect(refused).toMatchObject({ exit: 1, stdout: '', stderr: expect.stringContaining('replace it with --force') });
    expect(await readFile(file, 'utf8')).toBe('precious');
    expect(await readdir(folder)).not.toContain('once.zip.part');
    expect(await run('tenant', 'export', 'acme', '--format', 'CSV', '--out', file, '--force')).toMatchObject({
      exit: 0,
      stderr: '',
    });
    expect((await readFile(file)).subarray(0, 2).toString()).toBe('PK');
    expect(await run('tenant', 'export', 'acme', '--force')).toMatchObject({ exit: 2 });
  });

  it('names a tenant that does not exist, and a folder that cannot be written to', async () => {
    const run = commandsOf(fleet.app);
    expect(await run('tenant', 'export', 'nobody', '--out', path.join(folder, 'x'))).toMatchObject({
      exit: 1,
      stderr: 'There is no tenant nobody\n',
    });
    expect(await run('tenant', 'export', 'acme', '--out', folder)).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('is not a file, so it cannot be replaced'),
    });
    expect(await run('tenant', 'export', 'acme', '--out', path.join(folder, 'no/x'))).toMatchObject({
      exit: 1,
      stderr: `There is no folder ${path.join(folder, 'no')}\n`,
    });
  });
});
