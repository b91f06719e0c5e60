import { type Benchmark, compare, interleave } from './harness.ts';
import { prepareLoad } from './http-load.ts';
import { openBenchInstallation } from './installation.ts';
import { seedTenants } from './requests.ts';
import { startServer } from './server-process.ts';

const TENANTS = 10;
const CONNECTIONS = 32;
const BLOCK_MS = 500;
/** Servers compile what they run often only after some thousands of requests. */
const WARM_UP_ROUNDS = 16;

/** What metrics, traces without an SDK and the statements of slow requests cost: the same server with and without them. */
export const instruments: Benchmark = {
  name: 'instruments',
  about: 'requests per second with metrics and traces without an SDK, compared with the same server without them',
  async run(signal) {
    await using place = await openBenchInstallation();
    const { tokens } = await seedTenants(place, TENANTS);
    const start = (env: Record<string, string>) => startServer(place, 'instruments-server.ts', env);
    const loads = {
      baseline: prepareLoad(await start({ BENCH_INSTRUMENTS: 'off' }), tokens, CONNECTIONS),
      tenantry: prepareLoad(await start({ METRICS_TOKEN: 'x'.repeat(32) }), tokens, CONNECTIONS),
    };
    const samples = await interleave(
      { baseline: () => loads.baseline.run(BLOCK_MS), tenantry: () => loads.tenantry.run(BLOCK_MS) },
      { rounds: 40, warmUp: WARM_UP_ROUNDS, signal },
    );
    for (const load of Object.values(loads)) load.close();
    return [compare('requests with metrics and traces, without an SDK', '/s', { atLeast: 0.97 }, samples)];
  },
};
