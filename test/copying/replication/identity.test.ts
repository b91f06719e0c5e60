import { afterEach, expect, it } from 'vitest';
import { endOnlineCopy } from '../../../src/copying/replication/online-copy.ts';
import { follow, slot, startTwoPlaces, type TwoPlaces } from './two-places.ts';

let places: TwoPlaces;
afterEach(() => places[Symbol.asyncDispose]());

const signal = new AbortController().signal;

it('new values of identity columns that only PostgreSQL may set reach the copy', async () => {
  places = await startTwoPlaces(`
    CREATE TABLE keys (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, of int REFERENCES keys ON DELETE CASCADE ON UPDATE CASCADE, name text);
    CREATE TABLE others (key int PRIMARY KEY, big text, place int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (key * 2) STORED);
    ALTER TABLE others ALTER big SET STORAGE EXTERNAL;
    CREATE TABLE bare (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
    CREATE TABLE anonymous (name text, place int GENERATED ALWAYS AS IDENTITY);
    ALTER TABLE anonymous REPLICA IDENTITY FULL;
    CREATE TABLE full_keys (key int PRIMARY KEY, place int GENERATED ALWAYS AS IDENTITY);
    ALTER TABLE full_keys REPLICA IDENTITY FULL`);
  const { sql } = places;
  await sql(
    `INSERT INTO keys (name) SELECT 'item ' || n FROM generate_series(1, 10) n; UPDATE keys SET of = 3 WHERE id > 5`,
  );
  await sql(`INSERT INTO others (key, big) SELECT n, repeat('x', 9000) FROM generate_series(1, 10) n`);
  await sql(`INSERT INTO bare SELECT FROM generate_series(1, 10); INSERT INTO full_keys SELECT generate_series(1, 10)`);
  await sql(`INSERT INTO anonymous SELECT 'same' FROM generate_series(1, 10)`);
  const { follower, running } = await follow(places, signal);
  await sql(`UPDATE keys SET id = DEFAULT WHERE id = 3; UPDATE keys SET id = DEFAULT, name = 'other' WHERE id = 4`);
  await sql(
    `UPDATE others SET place = DEFAULT WHERE key = 3; UPDATE others SET place = DEFAULT, key = 40 WHERE key = 4`,
  );
  await sql(`UPDATE others SET big = 'y' WHERE key = 5; UPDATE bare SET id = DEFAULT WHERE id < 4`);
  await sql(
    `UPDATE anonymous SET place = DEFAULT, name = 'other' WHERE place < 3; UPDATE anonymous SET name = 'x' WHERE place = 4`,
  );
  await sql(
    `UPDATE full_keys SET place = DEFAULT WHERE key < 3; UPDATE full_keys SET place = DEFAULT, key = key + 50 WHERE key = 7`,
  );
  expect(await follower.finish(10_000, signal)).toBe(true);
  await running;
  await endOnlineCopy(places.from, slot);
  await places.expectSame();
});
