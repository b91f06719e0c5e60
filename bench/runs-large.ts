import type { Isolation } from '../src/catalog/entities/tenant.entity.ts';
import { openFleet } from './fleet.ts';
import { type Benchmark, compare, interleave, limit, quantile } from './harness.ts';
import { openBenchInstallation } from './installation.ts';

const DATABASES = 500;
const SCHEMAS = 1_000;

/** A new migration for many tenants with their own databases. */
export const runsDatabases: Benchmark = {
  name: 'runs-databases',
  about: `a run over ${DATABASES} databases, compared with plain pg with as many connections`,
  async run(signal) {
    const samples = await contest('DATABASE', DATABASES, signal);
    return [compare(`migrate one of ${DATABASES} databases`, 'ms', { atMost: 1.4 }, samples)];
  },
};

/** The same for tenants with schemas, where connections stay open. */
export const runsSchemas: Benchmark = {
  name: 'runs-schemas',
  about: `a run over ${SCHEMAS} schemas, compared with plain pg with as many connections`,
  async run(signal) {
    const samples = await contest('SCHEMA', SCHEMAS, signal);
    const what = `migrate one of ${SCHEMAS} schemas`;
    return [
      compare(what, 'ms', { atMost: 2 }, samples),
      limit(what, 'ms', { atMost: 4 }, quantile(samples.tenantry, 0.5)),
    ];
  },
};

async function contest(isolation: Isolation, count: number, signal: AbortSignal) {
  await using place = await openBenchInstallation();
  const contend = await openFleet(place, isolation, count);
  return await interleave(
    { baseline: contend('plain'), tenantry: contend('tenantry') },
    { rounds: 5, warmUp: 1, signal },
  );
}
