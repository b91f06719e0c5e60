import { makeMigrationFolder, newTable, writeMigration } from './fleet.ts';
import { type Benchmark, limit, quantile } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { runFleet } from './run-fleet.ts';
import { createTenants } from './tenants.ts';
import { startWorker } from './workers.ts';

const TENANTS = 1_000;
const FIRST = 100;
const ROUNDS = 3;

/** The memory that a worker keeps for finished tenants. */
export const runsMemory: Benchmark = {
  name: 'runs-memory',
  about: `the growth of a worker's memory between ${FIRST} and ${TENANTS} tenants, half of them with a database`,
  async run(signal) {
    await using place = await openBenchInstallation();
    const env = { WORKER: 'off', TENANT_MIGRATIONS_DIR: await makeMigrationFolder(place) };
    await using app = await place.openApp(env);
    await app.prepared;
    const { services } = app;
    // Created at the same time, so that all parts of the run contain both kinds.
    await Promise.all([
      createTenants(services, TENANTS / 2, { isolation: 'DATABASE' }),
      createTenants(services, TENANTS / 2, { isolation: 'SCHEMA' }),
    ]);
    const grown: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      signal.throwIfAborted();
      await writeMigration(env.TENANT_MIGRATIONS_DIR, round, newTable(`round_${round}`));
      await using worker = await startWorker(place, env);
      const held: number[] = [];
      await runFleet(services, { succeeded: TENANTS }, async ({ done }) => {
        if (done >= FIRST * (held.length + 1)) held.push(await worker.memory());
      });
      const [first = Number.NaN, ...later] = held;
      grown.push((Math.max(...later) - first) / 1e6);
    }
    const what = `memory of a worker, ${FIRST} to ${TENANTS} tenants`;
    return [limit(what, 'MB', { atMost: 20 }, quantile(grown, 0.5))];
  },
};
