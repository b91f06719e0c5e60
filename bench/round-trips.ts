import { randomUUID } from 'node:crypto';
import type { Isolation } from '../src/catalog/entities/tenant.entity.ts';
import { createTenant } from '../src/tenants/create.ts';
import { startCountingProxy } from '../test/support/counting-proxy.ts';
import { type Benchmark, limit } from './harness.ts';
import { openBenchInstallation } from './installation.ts';
import { createTenants, frontOf } from './tenants.ts';

/** How long the way to PostgreSQL takes, in milliseconds. */
const DELAY_MS = 1;

/** What a network between the server and PostgreSQL would make slower. */
export const roundTrips: Benchmark = {
  name: 'round-trips',
  about: 'round trips to PostgreSQL of new tenants and of a list, counted by a proxy that adds 1 ms to each',
  async run(signal) {
    await using place = await openBenchInstallation();
    const url = new URL(place.databaseUrl);
    await using proxy = await startCountingProxy({ host: url.hostname, port: Number(url.port || 5432) }, DELAY_MS);
    const through = Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(proxy.port) });
    await using app = await place.openApp({ DATABASE_URL: through.href, WORKER: 'off' });
    const { services } = app;
    await app.prepared;
    const [slug = ''] = await createTenants(services, 1, { isolation: 'SCHEMA' });
    const token = await services.tokens.issue({ tenant: slug, expiresIn: '1h' });
    const ask = frontOf(services);
    const count = async (what: string, atMost: number, work: () => Promise<unknown>) => {
      signal.throwIfAborted();
      return limit(what, 'round trips', { atMost }, (await proxy.tripsOf(work)).length);
    };
    const create = (isolation: Isolation) => () =>
      createTenant(services.provisioning, { slug: randomUUID().slice(4), name: 'Bench', isolation });
    return [
      await count('create a tenant with a schema', 5, create('SCHEMA')),
      await count('create a tenant with a database', 5, create('DATABASE')),
      await count('list with totalCount', 1, () =>
        ask('{ products(first: 10) { totalCount nodes { id name } } }', token),
      ),
    ];
  },
};
