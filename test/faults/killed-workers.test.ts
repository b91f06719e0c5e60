import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLab } from '../support/fault-lab.ts';
import { auditRun } from '../support/fleet-audit.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';

/** How soon others take over the work of a killed process, in milliseconds. It takes seconds, and much longer on a busy machine. */
const TAKE_OVER_MS = 60_000;

/** Seeds whose choices have each pair of {@link kindsOf} at least once, so that there need not be many. */
const everyPair = [514, 452, 209, 475, 306, 193, 135, 467, 449];

/** What a seed chooses. */
function choose(seed: number) {
  const random = seededRandom(seed);
  const index = random.chance(0.2);
  const snapshot = random.chance(0.2);
  const waves = random.chance(0.3);
  const concurrency = random.int(1, 6);
  const moment = random.int(0, 400);
  const killsBoth = random.chance(0.2);
  const cancels = random.chance(0.25);
  return { index, snapshot, waves, concurrency, moment, killsBoth, cancels, replaces: killsBoth || random.chance(0.7) };
}

/** The kinds of its choices: how many at once and the moment in thirds. */
function kindsOf(seed: number): readonly string[] {
  const choices = choose(seed);
  const concurrency = ['one', 'few', 'few', 'many', 'many', 'many'][choices.concurrency - 1];
  const moment = Math.floor(choices.moment / 134);
  return Object.entries({ ...choices, concurrency, moment }).map(([name, kind]) => `${name} ${kind}`);
}

/** All pairs of kinds that some seeds choose together. */
function pairsOf(chosen: readonly number[]): ReadonlySet<string> {
  const pairs = chosen
    .map(kindsOf)
    .map((kinds) => kinds.flatMap((one, index) => kinds.slice(index + 1).map((other) => `${one}, ${other}`)));
  return new Set(pairs.flat());
}

it('the seeds of this file choose every pair of what can happen', () => {
  const possible = pairsOf(Array.from({ length: 1_000 }, (_, seed) => seed));
  expect([...pairsOf(everyPair)].toSorted()).toEqual([...possible].toSorted());
});

describe('workers that are killed at any moment', () => {
  let lab: FaultLab;

  beforeAll(async () => {
    lab = await FaultLab.start({ schemas: 26, databases: 6 });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const now = async () =>
    (await lab.fleet.inCatalog<{ ms: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms'))[0]
      ?.ms ?? 0;

  it.each(seeds(everyPair))(
    'leave every tenant old or new, and nothing is done twice or lost: seed %i',
    async (seed) => {
      const { index, snapshot, waves, concurrency, moment, killsBoth, cancels, replaces } = choose(seed);
      const workers = await lab.keepWorkers(2);
      if (index) await lab.addIndex();
      await lab.addRound();
      const checkpoint = snapshot ? ', checkpoint: SNAPSHOT' : '';
      const inWaves = waves ? ', waves: ["1", "50%"]' : '';
      const run = await lab.fleet.startRun(`concurrency: ${concurrency}${inWaves}${checkpoint}`);
      // The moment is the fault: it is not waited for anything.
      await sleep(moment);
      const victims = workers.slice(0, killsBoth ? 2 : 1);
      await Promise.all(victims.map((worker) => worker.end('SIGKILL')));
      const killedAt = await now();
      if (cancels) await lab.fleet.cancel(run);
      if (replaces) await lab.keepWorkers(2);
      const events = await lab.fleet.events(run);
      for (const { at, message } of events.filter(({ kind }) => kind === 'TENANT_RETRYING')) {
        // The others may find its copies being cleared away.
        expect(message).toMatch(/ died$|^its database is being copied|is not currently accepting connections$/);
        expect(Date.parse(at) - killedAt, `${message} (${at})`).toBeLessThan(TAKE_OVER_MS);
      }
      const ended = await auditRun(lab, run);
      expect(ended).toMatchObject(cancels ? { failed: 0 } : { status: 'SUCCEEDED' });
      // A run that is cancelled while all its tenants are in progress leaves nothing to resume.
      if (ended.succeeded === lab.slugs.length) return;
      expect(ended.status).toBe('CANCELLED');
      await lab.fleet.resume(run);
      expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: lab.slugs.length });
    },
  );
});
