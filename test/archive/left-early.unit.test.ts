import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultLimits } from '../../src/archive/format/limits.ts';
import { readEntries } from '../../src/archive/format/read.ts';
import { openArchive } from '../../src/archive/import/input-file.ts';
import { writeArchive } from '../support/archives.ts';
import { eventually } from '../support/eventually.ts';

/** More than a stream holds back, so that the decoder waits for whoever reads. */
const BYTES = 2 * 1024 ** 2;
/** How often the decoder must be seen standing still. */
const LOOKS = 5;
const names = ['one', 'two', 'three'];

describe('an archive that is left before its end', () => {
  const stack = new AsyncDisposableStack();
  let file: string;
  beforeAll(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-archives-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    file = path.join(folder, 'archive');
    await writeArchive(
      file,
      names.map((name) => ({ name, content: randomBytes(BYTES) })),
    );
  });
  afterAll(() => stack.disposeAsync());

  /** Reads some entries, and part of one if asked to, and leaves the archive while the decoder waits to be read from. */
  const leave = async (count: number, { inside }: { readonly inside: boolean }) => {
    const { signal } = new AbortController();
    await using source = await openArchive(file, process.stdin, defaultLimits.maxBytes, signal);
    let decoded = 0;
    const onRead = (bytes: number) => {
      decoded = bytes;
    };
    const entries = readEntries({ ...source, onRead }, defaultLimits, signal);
    const sizes: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const { value: entry } = await entries.next();
      let bytes = 0;
      for await (const chunk of entry?.content ?? []) {
        bytes += chunk.length;
        if (inside) break;
      }
      sizes.push(bytes);
    }
    let before = -1;
    let looks = 0;
    await eventually('the decoder waits', async () => {
      looks = decoded === before ? looks + 1 : 0;
      before = decoded;
      return looks >= LOOKS;
    });
    await entries.return(undefined);
    return sizes;
  };

  // An import leaves it after the last entry, whose content is followed by the end of the tar.
  it.each([1, 2, 3])('is closed after %i of its entries', async (count) => {
    expect(await leave(count, { inside: false })).toEqual(Array(count).fill(BYTES));
  });

  it('is closed in the middle of an entry', async () => {
    const [bytes] = await leave(1, { inside: true });
    expect(bytes).toBeLessThan(BYTES);
  });
});
