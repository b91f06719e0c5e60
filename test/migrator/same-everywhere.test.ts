import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generatedList } from '../support/generated-migrations.ts';
import { MigrationWays } from '../support/migration-ways.ts';

/** How many lists of migrations are tried, and the seed of the first; each list has a seed of its own. */
const CASES = Number(process.env.MIGRATION_CASES ?? 5);
const FIRST_SEED = Number(process.env.MIGRATION_SEED ?? 1);

let ways: MigrationWays;

beforeAll(async () => {
  ways = await MigrationWays.start();
});
afterAll(() => ways[Symbol.asyncDispose]());

it.each(Array.from({ length: CASES }, (_, index) => FIRST_SEED + index))(
  'the same files give the same tables, rows and history, whichever way they are applied: seed %i',
  async (seed) => {
    const [list] = fc.sample(generatedList, { seed, numRuns: 1 });
    if (!list) throw new Error('No list was generated');
    const differences = await ways.differences(list, seed % 2 === 0 ? 8 : 1);
    expect(differences, JSON.stringify(list.migrations, null, 1)).toEqual([]);
  },
  120_000,
);
