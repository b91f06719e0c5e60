import { setImmediate as turn } from 'node:timers/promises';
import type pg from 'pg';
import { createGraphqlServer } from '../src/api/server.ts';
import { buildSchema } from '../src/server/build-schema.ts';
import { product } from '../test/fixture/product.ts';
import { type Benchmark, limit } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { askTenant, createTenants } from './tenants.ts';

const BUDGET = 20;
const TENANTS = 200;
const ROUNDS = 3;

/** Many more tenants than connections. */
export const connectionBudget: Benchmark = {
  name: 'connection-budget',
  about: 'connections in pg_stat_activity and failed requests, with 200 tenants at once and a budget of 20',
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp({ CONNECTION_BUDGET: String(BUDGET) });
    const { services } = app;
    const slugs = await createTenants(services, TENANTS, { isolation: 'SCHEMA' });
    const yoga = createGraphqlServer(services, await buildSchema(product));
    const observer = await place.connect();
    let failed = 0;
    const ask = (slug: string) =>
      askTenant(yoga, services, slug).catch(() => {
        failed += 1;
      });
    let most = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      signal.throwIfAborted();
      let asking = true;
      const asked = Promise.all(slugs.map(ask)).finally(() => {
        asking = false;
      });
      while (asking) {
        most = Math.max(most, await countConnections(observer));
        await turn();
      }
      await asked;
    }
    return [
      limit('concurrent connections', 'connections', { atMost: BUDGET }, most),
      limit('failed requests', 'requests', { atMost: 0 }, failed),
    ];
  },
};

/** Counts this process's connections without the observer's. A connection that is still starting has no name. */
async function countConnections(observer: pg.Client): Promise<number> {
  const { rows } = await observer.query<{ count: number }>(
    `SELECT count(*)::int FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND coalesce(application_name, '') IN ('tenantry', '')`,
  );
  return rows[0]?.count ?? Number.NaN;
}
