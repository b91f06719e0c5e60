import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { importFrom, leftovers } from '../support/archives.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { type AttackLab, refusal, startAttackLab } from './attack-lab.ts';
import { mutations } from './mutations.ts';

/** How often each mutation is tried. ARCHIVE_MUTATIONS=24 tries 312 archives. */
const TIMES = Number(process.env.ARCHIVE_MUTATIONS ?? 2);

let lab: AttackLab;
beforeAll(async () => {
  lab = await startAttackLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

const rowsSql = `SELECT (SELECT string_agg(p::text, '|' ORDER BY p::text) FROM products p) AS products,
  (SELECT string_agg(o::text, '|' ORDER BY o::text) FROM orders o) AS orders`;

it.each(Object.entries(mutations))(
  'an archive with %s is refused before anything is made, or imported as it was',
  async (name, mutate) => {
    const { fleet, file, good, before } = lab;
    const rows = await fleet.inTenant('acme', rowsSql);
    for (let seed = 1; seed <= TIMES; seed += 1) {
      const of = `${name}, seed ${seed}`;
      await writeFile(file, await mutate(seededRandom(seed), good));
      const { exit, stdout, stderr } = await importFrom(fleet, file, 'mutated');
      if (exit === 0) {
        expect(await fleet.inTenant('mutated', rowsSql), of).toEqual(rows);
        await fleet.ask('mutation { deleteTenant(id: "mutated", slug: "mutated", purge: true) { id } }');
      } else {
        expect({ exit, stdout }, of).toEqual({ exit: 1, stdout: '' });
        expect(stderr, of).toMatch(refusal);
      }
      expect(await leftovers(fleet), of).toEqual(before);
    }
  },
);
