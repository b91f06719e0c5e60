import { zstdCompressSync } from 'node:zlib';
import { manifestIn, type TestEntry, tarOf, withManifest } from '../support/archives.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { withTarChecksum } from './attack-lab.ts';

/** A way to change an archive, which makes the bytes of the file. */
type Mutation = (random: SeededRandom, good: readonly TestEntry[]) => Promise<Buffer>;

const compressed = async (entries: readonly TestEntry[]) => zstdCompressSync(await tarOf(entries));

function flip(bytes: Buffer, random: SeededRandom, times: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let n = 0; n < times; n += 1) {
    const at = random.int(0, copy.length - 1);
    copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.int(0, 7)), at);
  }
  return copy;
}

/** Where the headers of a tar of ordinary entries begin. */
function headersOf(tar: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + 512 <= tar.length && tar.readUInt8(at) !== 0; ) {
    found.push(at);
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

/** Changes one header of the tar, and corrects its checksum. */
const inHeader =
  (change: (tar: Buffer, at: number, random: SeededRandom) => void): Mutation =>
  async (random, good) => {
    const tar = Buffer.from(await tarOf(good));
    const headers = headersOf(tar);
    const at = headers[random.int(0, headers.length - 1)] ?? 0;
    change(tar, at, random);
    return zstdCompressSync(withTarChecksum(tar, at));
  };

const oddValues: readonly unknown[] = [
  null,
  -1,
  0,
  1,
  1.5,
  2 ** 53,
  1e308,
  '',
  '0',
  'x',
  '../../etc/passwd',
  'a\0b',
  '\ud800',
  '\u001b[2J',
  'é'.repeat(100),
  'x'.repeat(5_000),
  [],
  {},
  [[[]]],
  true,
];

/** Replaces, removes or repeats a random value somewhere in the manifest. */
function changeValue(value: unknown, random: SeededRandom): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.15)) {
    return oddValues[random.int(0, oddValues.length - 1)];
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return [oddValues[random.int(0, oddValues.length - 1)]];
    const at = random.int(0, value.length - 1);
    if (random.chance(0.1)) return value.toSpliced(at, 1);
    if (random.chance(0.1)) return value.toSpliced(at, 0, value[at]);
    return value.with(at, changeValue(value[at], random));
  }
  const names = Object.keys(value);
  const name = names[random.int(0, names.length - 1)] ?? 'x';
  const changed: Record<string, unknown> = { ...value };
  if (random.chance(0.1)) delete changed[name];
  else changed[name] = changeValue(changed[name], random);
  return changed;
}

const names = [
  'a\0b',
  '../../x',
  '/etc/passwd',
  'tables/../x',
  'C:\\x',
  './manifest.json',
  'manifest.json/',
  ' ',
  '\u202e',
  'tables/0001/000001.copy/x',
];

/** Ways to change an archive, by name. */
export const mutations: Readonly<Record<string, Mutation>> = {
  'bits of the file': async (random, good) => flip(await compressed(good), random, random.int(1, 4)),
  'a cut file': async (random, good) => {
    const file = await compressed(good);
    return file.subarray(0, random.int(0, file.length - 1));
  },
  'bits of the tar': async (random, good) => zstdCompressSync(flip(await tarOf(good), random, random.int(1, 4))),
  'a cut tar': async (random, good) => {
    const tar = await tarOf(good);
    return zstdCompressSync(tar.subarray(0, random.int(0, tar.length - 1)));
  },
  'an entry twice': async (random, good) => {
    const entry = good[random.int(0, good.length - 1)];
    return compressed(entry ? good.toSpliced(random.int(0, good.length), 0, entry) : good);
  },
  'two entries exchanged': async (random, good) => {
    const [one, other] = [random.int(0, good.length - 1), random.int(0, good.length - 1)];
    const [first, second] = [good[one], good[other]];
    return compressed(first && second ? good.with(one, second).with(other, first) : good);
  },
  'a wrong size': inHeader((tar, at, random) => {
    tar.write(`${random.int(0, 4_000).toString(8).padStart(11, '0')} `, at + 124, 'latin1');
  }),
  'a huge number': inHeader((tar, at, random) => {
    // The size, or a time or an id, in base 256 or as the largest octal number.
    const field = [124, 136, 108, 100][random.int(0, 3)] ?? 124;
    const length = field < 124 ? 8 : 12;
    if (random.chance(0.5)) tar.fill(0xff, at + field, at + field + length).writeUInt8(0x80, at + field);
    else tar.write(`${'7'.repeat(length - 1)} `, at + field, 'latin1');
  }),
  'another kind of entry': inHeader((tar, at, random) => {
    tar.write('0123456789xgLKSVMNDAXI'.charAt(random.int(0, 21)), at + 156, 'latin1');
  }),
  'another name': inHeader((tar, at, random) => {
    tar.fill(0, at, at + 100).write(names[random.int(0, names.length - 1)] ?? '', at, 'utf8');
  }),
  'a value of the manifest': (random, good) => compressed(withManifest(good, changeValue(manifestIn(good), random))),
  zeros: async (random, good) => {
    const zeros = Buffer.alloc(random.int(1, 120) * 2 ** 20);
    if (random.chance(0.5)) return zstdCompressSync(Buffer.concat([await tarOf(good), zeros]));
    return compressed(
      good.toSpliced(random.int(1, good.length), 0, { name: 'tables/0001/000002.copy', content: zeros }),
    );
  },
  'several frames': async (random, good) => {
    const tar = await tarOf(good);
    const at = random.int(0, tar.length);
    return Buffer.concat([tar.subarray(0, at), tar.subarray(at)].map((part) => zstdCompressSync(part)));
  },
};
