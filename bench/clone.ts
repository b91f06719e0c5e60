import { randomUUID } from 'node:crypto';
import type { Services } from '../src/installation/services.ts';
import { cloneDatabase, dropDatabase } from '../src/postgres/admin/databases.ts';
import { createTenant } from '../src/tenants/create.ts';
import { startClone } from '../src/transfers/clones/start.ts';
import { followTransfer } from '../src/transfers/events.ts';
import { type Benchmark, compare, interleave, timed } from './harness.ts';
import { openBenchInstallation } from './installation.ts';

const PRODUCTS = 500;

/**
 * Cloning a small tenant on its server, compared with PostgreSQL's own copy of the database. It takes from the call of the mutation's
 * function until somebody who follows the clone sees that it is served, so also what is written down before and after the copy.
 */
export const clone: Benchmark = {
  name: 'clone',
  about:
    'cloning a tenant with a database of about 8 MB on its server, compared with a bare CREATE DATABASE … TEMPLATE',
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp({ WORKER: 'inline' });
    const { services } = app;
    const slug = 'cloned';
    const tenant = await createTenant(services.provisioning, { slug, name: 'Bench', isolation: 'DATABASE' });
    const { database } = tenant;
    const client = await place.connect(database);
    await client.query(
      `INSERT INTO products (id, sku, name, price, currency, stock)
       SELECT gen_random_uuid(), 'old-' || n, 'Product ' || n, 1, 'EUR', 1 FROM generate_series(1, $1::int) n`,
      [PRODUCTS],
    );
    await client.end();
    const admin = await place.connect();
    const { rows } = await admin.query<{ mb: number }>('SELECT pg_database_size($1)::float8 / 1024 / 1024 AS mb', [
      database,
    ]);
    process.stderr.write(`The database has ${rows[0]?.mb.toFixed(1)} MB\n`);
    const contest = (prepare: () => Promise<unknown>) =>
      interleave(
        {
          baseline: async (round) => {
            const copy = `${place.prefix}_clone_${round}`;
            const ms = await timed(() => cloneDatabase(admin, copy, database));
            await dropDatabase(admin, copy);
            return ms;
          },
          tenantry: async () => {
            await prepare();
            return timed(() => cloneOnce(services, slug, signal));
          },
        },
        { rounds: 30, warmUp: 6, signal },
      );
    const quiet = await contest(async () => undefined);
    // The clone ends this connection.
    const served = await contest(() => services.tenants.pool(tenant).use((session) => session.query('SELECT')));
    return [
      compare('clone a tenant of 8 MB by template, until it is served', 'ms', { atMost: 1.3 }, quiet),
      compare('the same while a server has a connection to the tenant', 'ms', { atMost: 1.3 }, served),
    ];
  },
};

/** Starts a clone and waits until it is served. */
async function cloneOnce(
  { transfers, catalog, listener }: Services,
  tenant: string,
  signal: AbortSignal,
): Promise<void> {
  const input = { tenant, slug: randomUUID().slice(4), neutralize: false };
  const id = await startClone(transfers, input, { requestedBy: null });
  let last = '';
  for await (const { kind, message } of followTransfer(catalog, listener, id, 0, signal)) last = `${kind}: ${message}`;
  if (!last.startsWith('SUCCEEDED')) throw new Error(`The clone ended with ${last}`);
}
