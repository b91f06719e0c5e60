import path from 'node:path';
import { startEmbeddedPostgres } from '../src/postgres/embedded/start.ts';
import { makeMigrationFolder, newTable, writeMigration } from './fleet.ts';
import { type Benchmark, compare, interleave, timed } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { runFleet } from './run-fleet.ts';
import { createTenants } from './tenants.ts';
import { startWorker } from './workers.ts';

const TENANTS = 200;

/** Whether a second worker on the same machine speeds up a run over two PostgreSQL servers. */
export const runsWorkers: Benchmark = {
  name: 'runs-workers',
  about: `two workers, compared with one, with ${TENANTS} databases on two PostgreSQL servers`,
  async run(signal) {
    await using place = await openBenchInstallation();
    const env = { WORKER: 'off', TENANT_MIGRATIONS_DIR: await makeMigrationFolder(place) };
    await using app = await place.openApp(env);
    await app.prepared;
    await app.services.servers.add('second', await startSecond(place));
    for (const server of ['default', 'second']) {
      await createTenants(app.services, TENANTS / 2, { isolation: 'DATABASE', server });
    }
    let rounds = 0;
    const runWith = (workers: number) => async () => {
      await using stack = new AsyncDisposableStack();
      for (let count = 0; count < workers; count += 1) stack.use(await startWorker(place, env));
      rounds += 1;
      await writeMigration(env.TENANT_MIGRATIONS_DIR, rounds, newTable(`round_${rounds}`));
      return (await timed(() => runFleet(app.services, { succeeded: TENANTS }))) / TENANTS;
    };
    const samples = await interleave({ baseline: runWith(1), tenantry: runWith(2) }, { rounds: 7, warmUp: 1, signal });
    return [compare('migrate a tenant, two workers vs. one', 'ms', { atMost: 1 }, samples)];
  },
};

/** Starts another embedded PostgreSQL, which ends with the installation. Returns its URL. */
async function startSecond(place: BenchInstallation): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDir: path.join(place.folder, 'second') });
  place.defer(() => postgres.stop());
  const { host, port, user, password } = postgres;
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/postgres`;
}
