import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importFrom, leftovers, type TestEntry, tarOf } from '../support/archives.ts';
import { type AttackLab, startAttackLab, withTarChecksum } from './attack-lab.ts';

let lab: AttackLab;
beforeAll(async () => {
  lab = await startAttackLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe('a file', () => {
  const plain = async () => zstdCompressSync(await tarOf(lab.good));
  const files: Readonly<Record<string, readonly [() => Promise<Buffer>, RegExp, ...string[]]>> = {
    'without content': [async () => Buffer.alloc(0), /is incomplete: it ends too early/],
    'that is a text': [async () => Buffer.from('just a text, and no archive'), /it is not compressed with zstd/],
    'that is not compressed': [() => tarOf(lab.good), /it is not compressed with zstd/],
    'that is compressed, and no tar': [
      async () => zstdCompressSync(Buffer.alloc(5000, 'text')),
      /not a valid tar file/,
    ],
    'that is cut off': [async () => (await plain()).subarray(0, -20), /is incomplete: it ends too early/],
    'with more behind it': [async () => Buffer.concat([await plain(), Buffer.from('more')]), /has bytes after its end/],
    'with a second archive behind it': [
      async () => Buffer.concat([await plain(), await plain()]),
      /has the entry "tenantry\.json" after its last one/,
    ],
    'with two bytes behind it': [
      async () => Buffer.concat([await plain(), Buffer.from('no')]),
      /has bytes after its end/,
    ],
    'of which a frame is missing': [
      async () => Buffer.concat(framesOf(await tarOf(lab.good), [1000, 3000]).slice(0, -1)),
      /is incomplete: it ends too early|has no manifest/,
    ],
    'of very many frames': [
      async () => Buffer.concat([...Array(1_000).fill(zstdCompressSync(Buffer.alloc(0))), await plain()]),
      /has \d+ or more frames of zstd in few bytes\. Decompress it, and compress it again/,
    ],
    'with a tar that is cut off': [
      async () => zstdCompressSync((await tarOf(lab.good)).subarray(0, 3000)),
      /is incomplete: it ends too early/,
    ],
    'with a header that says a huge size': [
      async () => {
        const tar = await tarOf(lab.good);
        // The largest number that a tar can express: 2 to the power of 88.
        tar.fill(0xff, 124, 136).writeUInt8(0x80, 124);
        return zstdCompressSync(withTarChecksum(tar));
      },
      /impossible size|not a valid tar file|has \d+ bytes of/,
    ],
    'with an endless extended header': [
      async () => {
        const tar = await tarOf([{ name: 'x'.repeat(300), content: Buffer.from('x') }]);
        tar.write('77777777777 ', 124, 'latin1');
        return zstdCompressSync(withTarChecksum(tar));
      },
      /is damaged: it is not a valid tar file/,
    ],
    'that is a bomb': [
      async () => zstdCompressSync(await tarOf([...lab.good.slice(0, 1), bomb(300)])),
      /decompresses to more than 1000 times its size/,
    ],
    'that is larger than --max-size': [
      async () => zstdCompressSync(await tarOf([...lab.good.slice(0, 1), bomb(2)])),
      /has more than 1048576 bytes when it is decompressed\. To accept it, raise --max-size/,
      '--max-size',
      '1M',
    ],
    'with too many entries': [
      plain,
      /has more than 2 entries\. To accept it, raise --max-entries/,
      '--max-entries',
      '2',
    ],
    'that needs much memory': [
      async () => zstdCompressSync(await tarOf([...lab.good.slice(0, 1), bomb(1)]), { params: { 101: 27 } }),
      /needs more memory to decompress|lacks|does not list|incomplete/,
    ],
  };

  it.each(Object.entries(files))('%s is refused with a sentence', async (_, [make, sentence, ...more]) => {
    await writeFile(lab.file, await make());
    await lab.expectRefused(sentence, ...more);
  });

  it('of several frames is imported, as pzstd writes it and as files one behind the other are', async () => {
    const { fleet, file, good } = lab;
    const tar = await tarOf(good);
    // What pzstd writes before each frame.
    const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    const frames = framesOf(tar, [1, 512, 700, 20_000]).flatMap((frame) => [skippable, frame]);
    // Larger than what is read at a time.
    const large = Buffer.concat([Buffer.from([0x51, 0x2a, 0x4d, 0x18, 0, 0, 16, 0]), randomBytes(2 ** 20)]);
    await writeFile(file, Buffer.concat([...frames.toSpliced(4, 0, large), zstdCompressSync(Buffer.alloc(0)), large]));
    expect(await importFrom(fleet, file, 'frames')).toMatchObject({ exit: 0, stderr: '' });
    const rows = await fleet.inTenant('frames', 'SELECT count(*)::int FROM products');
    expect(rows).toEqual([{ count: 100 }]);
    await fleet.ask('mutation { deleteTenant(id: "frames", slug: "frames", purge: true) { id } }');
  });

  it('leaves nothing behind when it is refused', async () => {
    expect(await leftovers(lab.fleet)).toEqual(lab.before);
  });

  it('that does not exist, or is a folder, is named', async () => {
    const { fleet, file } = lab;
    const missing = await importFrom(fleet, `${file}-not`, 'evil');
    expect(missing).toMatchObject({ exit: 1, stderr: `There is no file ${file}-not\n` });
    const folder = await importFrom(fleet, path.dirname(file), 'evil');
    expect(folder).toMatchObject({ exit: 1, stderr: expect.stringContaining('is a folder') });
    const below = await importFrom(fleet, path.join(file, 'x'), 'evil');
    expect(below).toMatchObject({ exit: 1, stderr: `A part of the path ${file} is not a folder\n` });
  });
});

function bomb(megabytes: number): TestEntry {
  return { name: 'tables/0001/000001.copy', content: Buffer.alloc(megabytes * 2 ** 20, 10) };
}

/** Compresses what is between these positions, each part for itself. */
function framesOf(tar: Buffer, positions: readonly number[]): Buffer[] {
  return [0, ...positions].map((start, index) => zstdCompressSync(tar.subarray(start, positions[index] ?? tar.length)));
}
