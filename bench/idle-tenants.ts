import { setTimeout as sleep } from 'node:timers/promises';
import { createGraphqlServer } from '../src/api/server.ts';
import { buildSchema } from '../src/server/build-schema.ts';
import { product } from '../test/fixture/product.ts';
import { type Benchmark, limit } from './harness.ts';
import { heapInUse } from './heap.ts';
import { openBenchInstallation } from './installation.ts';
import { askTenant, createTenants } from './tenants.ts';

const WARM_UP = 500;
const TENANTS = 500;

/** The memory of a tenant that was served once and has no open connection. */
export const idleTenants: Benchmark = {
  name: 'idle-tenants',
  about: 'the heap of a tenant that was served once and is idle',
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp({ POOL_IDLE_SECONDS: '1' });
    const { services } = app;
    const slugs = await createTenants(services, WARM_UP + TENANTS, { isolation: 'SCHEMA' });
    const yoga = createGraphqlServer(services, await buildSchema(product));
    const serve = async (some: readonly string[]) => {
      for (const slug of some) {
        signal.throwIfAborted();
        await askTenant(yoga, services, slug);
      }
      for (const server of services.servers.values()) while (server.stats.idle > 0) await sleep(50);
      return heapInUse();
    };
    // Code that is loaded, compiled and optimised during the warm-up belongs to no tenant.
    const before = await serve(slugs.slice(0, WARM_UP));
    const after = await serve(slugs.slice(WARM_UP));
    return [limit('heap of an idle tenant', 'KB', { atMost: 10 }, (after - before) / TENANTS / 1000)];
  },
};
