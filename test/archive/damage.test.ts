import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { assert, asyncProperty, integer, oneof, tuple } from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { defaultLimits } from '../../src/archive/format/limits.ts';
import type { Manifest } from '../../src/archive/format/manifest.ts';
import { verifyArchive } from '../../src/archive/format/verify.ts';
import { openArchive } from '../../src/archive/import/input-file.ts';
import { AppError } from '../../src/lib/errors.ts';
import { exportTo, importFrom, leftovers } from '../support/archives.ts';
import { Fleet } from '../support/fleet.ts';

const stack = new AsyncDisposableStack();
let fleet: Fleet;
let file: string;
let good: Buffer;
let expected: Manifest;

const RUNS = Number(process.env.FAULT_SEEDS ?? 20) * 20;

beforeAll(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-archives-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  file = path.join(folder, 'archive');
  fleet = stack.use(await Fleet.start());
  await fleet.createTenants({ acme: 'SCHEMA' });
  await fleet.inTenant(
    'acme',
    `INSERT INTO products (sku, name, price, currency, stock)
     SELECT n::text, md5(n::text), n, 'EUR', n FROM generate_series(1, 500) n`,
  );
  await exportTo(fleet, 'acme', file);
  good = await readFile(file);
  expected = await verify();
});
afterAll(() => stack.disposeAsync());

async function verify(): Promise<Manifest> {
  const { signal } = new AbortController();
  await using source = await openArchive(file, process.stdin, defaultLimits.maxBytes, signal);
  return await verifyArchive(source, defaultLimits, signal);
}

const place = integer({ min: 0, max: 1_000_000 });
/** What happens to a file: some bits flip, it is cut off, or a piece of it is lost. */
const damage = oneof(
  tuple(place, integer({ min: 0, max: 7 })).map(([at, bit]) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    const index = at % copy.length;
    copy.writeUInt8(copy.readUInt8(index) ^ (1 << bit), index);
    return copy;
  }),
  place.map((at) => (bytes: Buffer) => bytes.subarray(0, at % bytes.length)),
  tuple(place, integer({ min: 1, max: 2_000 })).map(([at, size]) => (bytes: Buffer) => {
    const start = at % bytes.length;
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + size)]);
  }),
);

it('is found before anything is made, wherever it is', { timeout: 600_000 }, async () => {
  await assert(
    asyncProperty(damage, async (damaged) => {
      await writeFile(file, damaged(good));
      try {
        // What is not part of the content may change.
        expect(await verify()).toEqual(expected);
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
        expect(String(error)).toMatch(/Nothing was imported: the archive .*\.$/);
      }
    }),
    { numRuns: RUNS },
  );
});

it('is reported by the command, and nothing is made', async () => {
  const before = await leftovers(fleet);
  await writeFile(file, good.subarray(0, good.length >> 1));
  expect(await importFrom(fleet, file, 'damaged')).toEqual({
    exit: 1,
    stdout: '',
    stderr: 'Nothing was imported: the archive is incomplete: it ends too early. Copy or export it again.\n',
  });
  expect(await leftovers(fleet)).toEqual(before);
});
