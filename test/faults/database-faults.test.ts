import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { FaultLab } from '../support/fault-lab.ts';
import { auditRun } from '../support/fleet-audit.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';

describe('a run whose PostgreSQL fails', () => {
  let lab: FaultLab;

  beforeEach(async () => {
    lab = await FaultLab.fresh(lab, { schemas: 26, databases: 6 });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it.each(seeds(4))('goes on when PostgreSQL crashes and is started again: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const workers = await lab.keepWorkers(2);
    await lab.addRound();
    const run = await lab.fleet.startRun(`concurrency: ${random.int(1, 4)}`);
    // The moment is the fault, as below: nothing is waited for.
    await sleep(random.int(0, 400));
    await lab.postgres.crash();
    await sleep(random.int(0, 1_000));
    await lab.postgres.restart();
    await lab.ended(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: lab.slugs.length });
    // Nobody had to be started again for it.
    expect(lab.workers).toEqual(workers);
  });

  it.each(seeds(4))('goes on when connections are cut, those that listen too: seed %i', async (seed) => {
    const random = seededRandom(seed);
    await lab.keepWorkers(2);
    await lab.addRound();
    const admin = await lab.fleet.session('postgres');
    const run = await lab.fleet.startRun();
    for (let cuts = random.int(1, 4); cuts > 0; cuts -= 1) {
      await sleep(random.int(0, 150));
      const isListening = `query LIKE 'LISTEN%' OR query = 'SELECT 1'`;
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND application_name = 'tenantry' AND (${random.chance(0.5) ? isListening : `hashtext(pid::text) % 2 = 0`})`,
      );
    }
    await lab.fleet.end(admin);
    await lab.ended(run);
    expect(await auditRun(lab, run)).toMatchObject({ status: 'SUCCEEDED', succeeded: lab.slugs.length });
  });
});
