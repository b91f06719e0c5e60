import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Follower } from '../../../src/copying/replication/follower.ts';
import { endOnlineCopy, startOnlineCopy } from '../../../src/copying/replication/online-copy.ts';
import { slotName } from '../../../src/copying/replication/slot.ts';
import { seededRandom, seeds } from '../../support/seeded-random.ts';
import { startTwoPlaces, type TwoPlaces } from './two-places.ts';
import { tablesSql, write } from './workload.ts';

const slot = slotName('11111111-2222-3333-4444-555555555555');
const maxKeptBytes = 1e9;
let places: TwoPlaces;
afterEach(() => places[Symbol.asyncDispose]());

interface Following {
  readonly follower: Follower;
  readonly running: Promise<void>;
}

async function start(signal: AbortSignal): Promise<Following> {
  const { from, to } = places;
  await startOnlineCopy({ slot, from, to, parallel: 2, maxKeptBytes, signal });
  const follower = new Follower({ slot, from, to, maxKeptBytes });
  const running = follower.run(signal);
  running.catch(() => undefined);
  return { follower, running };
}

const signal = new AbortController().signal;

describe('changes that come while a place is copied', () => {
  it('reach the copy once', async () => {
    places = await startTwoPlaces(`
      CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, twice int GENERATED ALWAYS AS (length(name) * 2) STORED);
      CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), item int REFERENCES items ON DELETE CASCADE, big text);
      ALTER TABLE orders ALTER big SET STORAGE EXTERNAL`);
    const { source } = places;
    const sql = (text: string) => source.rows(`SET search_path = tenant_source; ${text}`, [], 'app');
    await sql(`INSERT INTO items (name) SELECT 'item ' || n FROM generate_series(1, 100) n`);
    await sql(`INSERT INTO orders (item, big) SELECT id, repeat('x', 10000) FROM items`);
    const { follower, running } = await start(signal);
    await sql(`INSERT INTO items (name) SELECT 'late ' || n FROM generate_series(1, 2000) n`);
    await sql(`UPDATE orders SET item = item + 1 WHERE item < 50`);
    await sql(`DELETE FROM items WHERE id BETWEEN 20 AND 30`);
    await sql(`BEGIN; INSERT INTO items (name) VALUES ('never'); ROLLBACK`);
    expect(await follower.lag(signal)).toBeGreaterThan(0);
    await sql(`INSERT INTO items (name) VALUES ('last')`);
    expect(await follower.finish(3_000, signal)).toBe(true);
    await running;
    await endOnlineCopy(places.from, slot);
    await places.expectSame();
    expect(await source.rows('SELECT slot_name FROM pg_replication_slots')).toEqual([]);
    expect(await source.rows('SELECT pubname FROM pg_publication', [], 'app')).toEqual([]);
  });
});

it.each(seeds(2))('both places are equal after a random workload (seed %i)', async (seed) => {
  places = await startTwoPlaces(tablesSql);
  const random = seededRandom(seed);
  const { source } = places;
  await source.rows(
    `SET search_path = tenant_source; INSERT INTO ordered SELECT n, n FROM generate_series(1, 50) n; INSERT INTO parents (name) SELECT 'first' FROM generate_series(1, 20)`,
    [],
    'app',
  );
  const writing = new AbortController();
  const connection = { ...source.connection, database: 'app' };
  let mayTruncate = false;
  const writers = Array.from({ length: 4 }, (_, index) =>
    write(connection, 'tenant_source', seededRandom(seed * 100 + index), index + 1, () => mayTruncate, writing.signal),
  );
  // It is open when the copy begins, and goes on while changes are followed.
  const long = await source.connect('app');
  await sleep(random.int(0, 500));
  await long.query(`SET search_path = tenant_source; BEGIN; INSERT INTO keys VALUES (-1, 'long', 'a')`);
  const started = start(signal);
  await sleep(random.int(0, 1_500));
  await long.query(`SAVEPOINT s; UPDATE keys SET a = -2 WHERE a = -1; RELEASE s; COMMIT`);
  const { follower, running } = await started;
  mayTruncate = true;
  await sleep(random.int(0, 2_000));
  await follower.lag(signal);
  await sleep(random.int(0, 1_000));
  writing.abort();
  const transactions = await Promise.all(writers);
  expect(Math.min(...transactions)).toBeGreaterThan(10);
  expect(await follower.finish(30_000, signal)).toBe(true);
  await running;
  await endOnlineCopy(places.from, slot);
  await places.expectSame();
});
