import { afterAll, beforeAll, expect, it } from 'vitest';
import { copyPlace } from '../../src/copying/copy-place.ts';
import { CopyLab, historySql, type LabPlace } from '../support/copy-lab.ts';

let lab: CopyLab;
beforeAll(async () => {
  // A lock table that has room for a fifth of the tables.
  lab = await CopyLab.start({ max_locks_per_transaction: '10', max_connections: '100' });
});
afterAll(() => lab[Symbol.asyncDispose]());

const TABLES = 5_000;
const PORTION = 100;

/** Creates tables. The first of each portion has a key and a sequence, and refers to the first of the portion before. */
async function create(place: LabPlace): Promise<void> {
  await place.rows(historySql);
  for (let first = 0; first < TABLES; first += PORTION) {
    await place.rows(`DO $$ BEGIN
      CREATE TABLE t${first} (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, other int ${first > 0 ? `REFERENCES t${first - PORTION}` : ''});
      FOR n IN ${first + 1}..${first + PORTION - 1} LOOP EXECUTE format('CREATE TABLE t%s (id int)', n); END LOOP;
    END $$`);
  }
}

it('a tenant with thousands of tables is copied within the lock table of a server', async () => {
  const [source, target] = await Promise.all([lab.one.make('SCHEMA'), lab.other.make('DATABASE')]);
  await Promise.all([create(source), create(target)]);
  await source.rows(`INSERT INTO t0 DEFAULT VALUES; INSERT INTO t${PORTION} (other) VALUES (1)`);
  const filled = (n: number) => n % PORTION === 7 || (n < 300 && n % PORTION > 0);
  for (let first = 0; first < TABLES; first += PORTION) {
    const tables = Array.from({ length: PORTION }, (_, index) => first + index).filter(filled);
    await source.rows(tables.map((n) => `INSERT INTO t${n} VALUES (${n})`).join(';'));
    await target.rows(`INSERT INTO t${first + 8} VALUES (0)`);
  }
  const { rowsCopied } = await copyPlace({
    from: source,
    to: target,
    parallel: 2,
    signal: new AbortController().signal,
  });
  expect(rowsCopied).toBe(2 + 297 + 47 + 1);
  expect(await target.rows(`SELECT other FROM t${PORTION}`)).toEqual([{ other: 1 }]);
  expect(await target.rows('SELECT (SELECT id FROM t4907) AS copied, (SELECT id FROM t4908) AS emptied')).toEqual([
    { copied: 4907, emptied: null },
  ]);
  expect(await target.rows(`SELECT nextval('t${PORTION}_id_seq')::int AS n`)).toEqual([{ n: 2 }]);
});
