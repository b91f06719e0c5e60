import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { exportTo, importFrom, leftovers, readArchive, type TestEntry } from '../support/archives.ts';
import { Fleet } from '../support/fleet.ts';

/** An installation with the tenant `acme`, its archive, and a file to put attacks into. */
export interface AttackLab extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly file: string;
  /** A valid archive. */
  readonly good: readonly TestEntry[];
  /** What there is before anything is imported. */
  readonly before: readonly string[];
  /** Expects that the file is refused with one sentence, which says this. */
  expectRefused(sentence: RegExp, ...more: string[]): Promise<void>;
}

/** What the sentence for an archive that is not imported looks like. */
export const refusal = /^Nothing was imported: the archive [^\n]+\.\n$/;

export async function startAttackLab(): Promise<AttackLab> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-archives-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'archive');
  const fleet = stack.use(await Fleet.start());
  await fleet.createTenants({ acme: 'DATABASE' });
  await fleet.inTenant(
    'acme',
    `INSERT INTO products (sku, name, price, currency, stock) SELECT n::text, 'n', 1, 'EUR', 1 FROM generate_series(1, 100) n;
     INSERT INTO orders (total, currency) VALUES (1, 'EUR'); CREATE SEQUENCE numbers`,
  );
  await fleet.inTenant('acme', 'DROP SEQUENCE numbers');
  await exportTo(fleet, 'acme', file);
  const good = await readArchive(file);
  const before = await leftovers(fleet);
  const parts = stack.move();
  return {
    fleet,
    file,
    good,
    before,
    async expectRefused(sentence, ...more) {
      const result = await importFrom(fleet, file, 'evil', ...more);
      expect(result).toMatchObject({ exit: 1, stdout: '' });
      expect(result.stderr).toMatch(sentence);
      expect(result.stderr).toMatch(refusal);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Corrects the checksum of the header of a tar that begins at a position. */
export function withTarChecksum(tar: Buffer, at = 0): Buffer {
  tar.fill(' ', at + 148, at + 156);
  const sum = tar.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  return tar;
}
