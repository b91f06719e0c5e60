import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { endOnlineCopy } from '../../../src/copying/replication/online-copy.ts';
import { eventually } from '../../support/eventually.ts';
import { seededRandom, seeds } from '../../support/seeded-random.ts';
import { type Following, follow, slot, startTwoPlaces, type TwoPlaces } from './two-places.ts';
import { tablesSql, write } from './workload.ts';

let places: TwoPlaces;
afterEach(() => places[Symbol.asyncDispose]());

const signal = new AbortController().signal;

/** Starts four writers. */
function startWriters(seed: number, options: { signal: AbortSignal; mayTruncate: () => boolean }): Promise<number[]> {
  const connection = { ...places.source.connection, database: 'app' };
  return Promise.all(
    Array.from({ length: 4 }, (_, index) =>
      write(
        connection,
        'tenant_source',
        seededRandom(seed * 100 + index),
        index + 1,
        options.mayTruncate,
        options.signal,
      ),
    ),
  );
}

async function prepare(): Promise<void> {
  places = await startTwoPlaces(tablesSql);
  await places.sql(`
    INSERT INTO ordered SELECT n, n FROM generate_series(1, 50) n;
    INSERT INTO parents (name) SELECT 'first' FROM generate_series(1, 20)`);
}

it.each(seeds(2))('both places are equal after a random workload (seed %i)', async (seed) => {
  await prepare();
  const random = seededRandom(seed);
  const writing = new AbortController();
  let mayTruncate = false;
  const writers = startWriters(seed, { signal: writing.signal, mayTruncate: () => mayTruncate });
  // It is open when the copy begins, and goes on while changes are followed.
  const long = await places.source.connect('app');
  await sleep(random.int(0, 500));
  await long.query(`SET search_path = tenant_source; BEGIN; INSERT INTO keys VALUES (-1, 'long', 'a')`);
  const started = follow(places, signal);
  await sleep(random.int(0, 1_500));
  await long.query(`SAVEPOINT s; UPDATE keys SET a = -2 WHERE a = -1; RELEASE s; COMMIT`);
  const { follower, running } = await started;
  mayTruncate = true;
  await sleep(random.int(0, 2_000));
  await follower.lag(signal);
  await sleep(random.int(0, 1_000));
  writing.abort();
  expect(Math.min(...(await writers))).toBeGreaterThan(10);
  expect(await follower.finish(30_000, signal)).toBe(true);
  await running;
  await endOnlineCopy(places.from, slot);
  await places.expectSame();
});

it.each(seeds(3))('both places are equal although processes and servers were killed (seed %i)', async (seed) => {
  await prepare();
  const random = seededRandom(seed);
  const writing = new AbortController();
  const writers = startWriters(seed, { signal: writing.signal, mayTruncate: () => false });
  let following: Following | undefined;
  for (let round = 0; round < 6; round += 1) {
    const life = new AbortController();
    const killed = sleep(random.int(50, 2_500)).then(async () => {
      const server = places[random.chance(0.5) ? 'source' : 'target'];
      const dies = random.int(0, 2);
      if (dies !== 0) await server.crash();
      if (dies !== 1) life.abort(new Error('The process is killed'));
      if (dies !== 0) await server.restart();
      life.abort(new Error('The process is killed'));
    });
    following = await places
      .renewTarget()
      .then(() => follow(places, life.signal))
      .catch(() => undefined);
    await killed;
    await following?.running.catch(() => undefined);
  }
  // A process does not try again at once to connect to a server that was down.
  await eventually('both servers answer', async () =>
    places.renewTarget().then(
      () => true,
      () => false,
    ),
  );
  following = await follow(places, signal);
  // A server that goes down while changes are followed ends nothing.
  await places[random.chance(0.5) ? 'source' : 'target'].crash();
  await sleep(random.int(0, 300));
  await Promise.all([places.source, places.target].map((server) => server.restart()));
  await following.follower.lag(signal);
  writing.abort();
  await writers;
  expect(await following.follower.finish(30_000, signal)).toBe(true);
  await following.running;
  await endOnlineCopy(places.from, slot);
  await places.expectSame();
});
