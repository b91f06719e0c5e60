import { afterAll, beforeAll, expect, it } from 'vitest';
import { endOnlineCopy } from '../../../src/copying/replication/online-copy.ts';
import { elapsedSince } from '../../../src/lib/time.ts';
import { follow, slot, startTwoPlaces, type TwoPlaces } from './two-places.ts';

const TABLES = 5_000;
/** How many tables one transaction creates, within the lock table of a server. */
const PORTION = 500;

let places: TwoPlaces;
beforeAll(async () => {
  places = await startTwoPlaces(`CREATE SEQUENCE numbers`);
  for (const where of ['source', 'target'] as const) {
    for (let first = 0; first < TABLES; first += PORTION) {
      await places.sql(
        `DO $$ BEGIN
           FOR n IN ${first}..${first + PORTION - 1} LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, name text)', n); END LOOP;
         END $$`,
        where,
      );
    }
  }
});
afterAll(() => places[Symbol.asyncDispose]());

it('a tenant with thousands of tables is copied while it is written to, and the last changes take a moment', async () => {
  const { signal } = new AbortController();
  const insert = (n: number, id: number) => `INSERT INTO t${n} VALUES (${id}, 'n')`;
  await places.sql(Array.from({ length: 50 }, (_, index) => insert(index * 100, 1)).join(';'));
  const { follower, running } = await follow(places, signal);
  // Each of these tables has a change, and so a description in the stream.
  for (let first = 0; first < TABLES; first += PORTION) {
    await places.sql(Array.from({ length: PORTION }, (_, index) => insert(first + index, 2)).join(';'));
  }
  while ((await follower.lag(signal)) > 250);
  await places.sql(`UPDATE t4900 SET name = 'last'`);
  const start = performance.now();
  expect(await follower.finish(30_000, signal)).toBe(true);
  const pauseMs = elapsedSince(start);
  await running;
  await endOnlineCopy(places.from, slot);
  await places.expectSame();
  expect(pauseMs).toBeLessThan(3_000);
});
