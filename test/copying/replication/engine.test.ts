import { afterEach, describe, expect, it } from 'vitest';
import { endOnlineCopy, startOnlineCopy } from '../../../src/copying/replication/online-copy.ts';
import { slotName } from '../../../src/copying/replication/slot.ts';
import { eventually } from '../../support/eventually.ts';
import { follow, slot, startTwoPlaces, type TwoPlaces } from './two-places.ts';

let places: TwoPlaces;
afterEach(() => places[Symbol.asyncDispose]());

const signal = new AbortController().signal;
const itemsSql = 'CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)';

describe('changes that come while a place is copied', () => {
  it('reach the copy once', async () => {
    places = await startTwoPlaces(`
      CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, twice int GENERATED ALWAYS AS (length(name) * 2) STORED);
      CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), item int REFERENCES items ON DELETE CASCADE, big text);
      ALTER TABLE orders ALTER big SET STORAGE EXTERNAL`);
    const { sql } = places;
    await sql(`INSERT INTO items (name) SELECT 'item ' || n FROM generate_series(1, 100) n`);
    await sql(`INSERT INTO orders (item, big) SELECT id, repeat('x', 10000) FROM items`);
    const { follower, running } = await follow(places, signal);
    await sql(`INSERT INTO items (name) SELECT 'late ' || n FROM generate_series(1, 2000) n`);
    await sql('UPDATE orders SET item = item + 1 WHERE item < 50');
    await sql('DELETE FROM items WHERE id BETWEEN 20 AND 30');
    await sql(`BEGIN; INSERT INTO items (name) VALUES ('never'); ROLLBACK`);
    expect(await follower.lag(signal)).toBeGreaterThan(0);
    await sql(`SET synchronous_commit = off; INSERT INTO items (name) VALUES ('last')`);
    expect(await follower.finish(3_000, signal)).toBe(true);
    await running;
    await endOnlineCopy(places.from, slot);
    await places.expectSame();
  });

  it('are followed further when the rest takes too long', async () => {
    places = await startTwoPlaces(itemsSql);
    const { sql, target } = places;
    await sql(`INSERT INTO items (name) VALUES ('one')`);
    const { follower, running } = await follow(places, signal);
    const holder = await target.connect('app');
    await holder.query('BEGIN; LOCK TABLE tenant_target.items');
    await sql(`UPDATE items SET name = 'two'`);
    expect(await follower.finish(300, signal)).toBe(false);
    await holder.query('COMMIT');
    await sql(`UPDATE items SET name = 'three'`);
    expect(await follower.finish(10_000, signal)).toBe(true);
    await running;
    await endOnlineCopy(places.from, slot);
    await places.expectSame();
  });

  it('fail the move when they do not fit what the target has', async () => {
    places = await startTwoPlaces(itemsSql);
    const { sql } = places;
    await sql(`INSERT INTO items (name) VALUES ('one')`);
    const { follower, running } = await follow(places, signal);
    await sql('DELETE FROM items', 'target');
    await sql(`UPDATE items SET name = 'two'`);
    await expect(running).rejects.toThrow(
      'A change of the table items matched 0 rows at the target of the move instead of 1',
    );
    await expect(follower.finish(1_000, signal)).rejects.toThrow('A change of the table items');
  });
});

describe('a table that is altered meanwhile', () => {
  it('fails the move when its rows change', async () => {
    places = await startTwoPlaces(itemsSql);
    const { running } = await follow(places, signal);
    await places.sql(`ALTER TABLE items ADD extra text; INSERT INTO items (name) VALUES ('one')`);
    await expect(running).rejects.toThrow('Somebody has altered the table items while the tenant was moved');
  });

  it('fails the move before the switch when nothing else shows it', async () => {
    places = await startTwoPlaces(itemsSql);
    const { follower } = await follow(places, signal);
    await follower.lag(signal);
    await places.sql('CREATE TABLE more (id int PRIMARY KEY)');
    await expect(follower.finish(3_000, signal)).rejects.toThrow(
      'Somebody has altered tables, functions or other parts',
    );
  });
});

it('refuses to leave a source with a prepared transaction', async () => {
  places = await startTwoPlaces(itemsSql, { max_prepared_transactions: '2' });
  const { follower } = await follow(places, signal);
  await places.sql(`BEGIN; INSERT INTO items (name) VALUES ('one'); PREPARE TRANSACTION 'later'`);
  await expect(follower.finish(3_000, signal)).rejects.toThrow('The prepared transaction later may still change');
  await places.source.rows(`ROLLBACK PREPARED 'later'`, [], 'app');
});

it('starts over when the source has lost changes', async () => {
  places = await startTwoPlaces(itemsSql);
  const { running } = await follow(places, signal);
  await places.source.rows(
    `SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots; SELECT pg_drop_replication_slot('${slot}')`,
  );
  await expect(running).rejects.toThrow('no longer has the changes since the copy');
  await places.sql(`INSERT INTO items (name) VALUES ('one')`);
  const again = await follow(places, signal);
  expect(await again.follower.finish(3_000, signal)).toBe(true);
  await again.running;
  await endOnlineCopy(places.from, slot);
  await places.expectSame();
});

it('stops when the source keeps too much of its log', async () => {
  places = await startTwoPlaces(itemsSql);
  const { from, to } = places;
  await startOnlineCopy({ slot, from, to, parallel: 1, maxKeptBytes: 1e9, signal });
  await places.sql(`INSERT INTO items (name) SELECT repeat('x', 100) FROM generate_series(1, 1000)`);
  const { Follower } = await import('../../../src/copying/replication/follower.ts');
  const running = new Follower({ slot, from, to, maxKeptBytes: 1_000 }).run(signal);
  await expect(running).rejects.toThrow('of its log for the move, which is too much');
  await endOnlineCopy(from, slot);
});

describe('an online copy is refused beforehand', () => {
  const cases = [
    [
      'without a key',
      'CREATE TABLE loose (x int)',
      {},
      'have neither a primary key nor another replica identity, so their updates could not be repeated at the target: loose',
    ],
    [
      'with unlogged tables',
      'CREATE UNLOGGED TABLE fast (id int PRIMARY KEY)',
      {},
      'does not log the changes of unlogged tables: fast',
    ],
    [
      'with a materialized view',
      'CREATE MATERIALIZED VIEW v AS SELECT 1',
      {},
      'does not replicate materialized views: v',
    ],
    [
      'with a generated key',
      'CREATE TABLE made (a int, b int GENERATED ALWAYS AS (a + 1) STORED PRIMARY KEY)',
      {},
      'have one in their primary key or replica identity: made',
    ],
    [
      'with a trigger that always fires',
      `${itemsSql}; CREATE TRIGGER t BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); ALTER TABLE items ENABLE ALWAYS TRIGGER t`,
      {},
      'would also fire at the target, for changes that they have made already: t of items',
    ],
    [
      'without logical decoding',
      itemsSql,
      { wal_level: 'replica' },
      'has wal_level = replica, but moving online needs "logical"',
    ],
    [
      'without a free slot',
      itemsSql,
      { max_replication_slots: '0' },
      "All 0 replication slots of the tenant's server are in use",
    ],
    [
      'without a free connection',
      itemsSql,
      { max_wal_senders: '0' },
      "All 0 replication connections of the tenant's server are in use",
    ],
  ] as const;

  it.each(cases)('%s', async (_name, sql, settings, message) => {
    places = await startTwoPlaces(sql, settings);
    const { from, to } = places;
    await expect(startOnlineCopy({ slot, from, to, parallel: 1, maxKeptBytes: 1e9, signal })).rejects.toThrow(message);
    await places.expectSame();
  });
});

it('leaves nothing when it is ended while it waits for a transaction', async () => {
  places = await startTwoPlaces(itemsSql);
  const { source, from } = places;
  const long = await source.connect('app');
  await long.query(`BEGIN; INSERT INTO tenant_source.items (name) VALUES ('one')`);
  const life = new AbortController();
  const following = follow(places, life.signal);
  following.catch(() => undefined);
  await eventually('it waits', async () => (await source.rows('SELECT FROM pg_replication_slots')).length > 0);
  life.abort(new Error('Cancelled'));
  await expect(following).rejects.toThrow('Cancelled');
  await endOnlineCopy(from, slot);
  await endOnlineCopy(from, slotName('00000000-0000-0000-0000-000000000000'));
  await long.query('COMMIT');
  await places.expectSame().catch(() => undefined);
  expect(await source.rows('SELECT FROM pg_replication_slots')).toEqual([]);
});
