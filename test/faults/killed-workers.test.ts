import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { FaultLab } from '../support/fault-lab.ts';
import { auditRun } from '../support/fleet-audit.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';

/** How soon others take over the work of a killed process, in milliseconds. */
const TAKE_OVER_MS = 15_000;

describe('workers that are killed at any moment', () => {
  let lab: FaultLab;

  beforeEach(async () => {
    lab = await FaultLab.fresh(lab, { schemas: 26, databases: 6 });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const now = async () =>
    (await lab.fleet.inCatalog<{ ms: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms'))[0]
      ?.ms ?? 0;

  it.each(seeds(30))('leave every tenant old or new, and nothing is done twice or lost: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const workers = await lab.keepWorkers(2);
    if (random.chance(0.2)) await lab.addIndex();
    await lab.addRound();
    const checkpoint = random.chance(0.2) ? ', checkpoint: SNAPSHOT' : '';
    const waves = random.chance(0.3) ? ', waves: ["1", "50%"]' : '';
    const run = await lab.fleet.startRun(`concurrency: ${random.int(1, 6)}${waves}${checkpoint}`);
    // The moment is the fault: it is not waited for anything.
    await sleep(random.int(0, 400));
    const victims = workers.slice(0, random.chance(0.2) ? 2 : 1);
    await Promise.all(victims.map((worker) => worker.end('SIGKILL')));
    const killedAt = await now();
    const cancels = random.chance(0.25);
    if (cancels) await lab.fleet.cancel(run);
    if (victims.length === 2 || random.chance(0.7)) await lab.keepWorkers(2);
    const events = await lab.fleet.events(run);
    for (const { at, message } of events.filter(({ kind }) => kind === 'TENANT_RETRYING')) {
      // The others may find its copies being cleared away.
      expect(message).toMatch(/ died$|^its database is being copied|is not currently accepting connections$/);
      expect(Date.parse(at) - killedAt).toBeLessThan(TAKE_OVER_MS);
    }
    const ended = await auditRun(lab, run);
    expect(ended).toMatchObject(cancels ? { failed: 0 } : { status: 'SUCCEEDED' });
    // A run that is cancelled while all its tenants are in progress leaves nothing to resume.
    if (ended.succeeded === lab.slugs.length) return;
    expect(ended.status).toBe('CANCELLED');
    await lab.fleet.resume(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: lab.slugs.length });
  });
});
