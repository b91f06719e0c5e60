import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { ArchiveWriter } from '../../src/archive/format/write.ts';
import { seededRandom } from '../support/seeded-random.ts';

it('an archive that cannot be written says why', async () => {
  const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('ENOSPC: no space left on device')) });
  full.on('error', () => undefined);
  const archive = new ArchiveWriter(full, new Date(), new AbortController().signal);
  const random = seededRandom(1);
  // It does not compress, so that the first entries leave the process.
  const content = Buffer.from(Array.from({ length: 2 ** 20 }, () => random.int(0, 255)));
  const fill = async () => {
    for (let n = 0; n < 5; n += 1) await archive.add(`tables/0001/${n}`, content);
    await archive.finish();
  };
  await expect(fill()).rejects.toThrow('ENOSPC: no space left on device');
  await archive.abandon();
});
