import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { followRun } from '../src/fleet/events/events.ts';
import type { Services } from '../src/installation/services.ts';
import { makeMigrationDir } from '../test/support/migration-dir.ts';
import type { Outcome, Task } from './fairness-client.ts';
import { type Benchmark, compare, interleave, quantile } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { startServer } from './server-process.ts';
import { createTenants, productsQuery } from './tenants.ts';

const ROUND_MS = 3_000;
const ROWS = 1_000_000;

/** How much a backfill slows down the requests of the tenant whose rows it changes. */
export const backfill: Benchmark = {
  name: 'backfill',
  about: "a tenant's list while a backfill changes all rows of the same table, compared with a list alone",
  async run(signal) {
    await using migrations = await makeMigrationDir();
    await using place = await openBenchInstallation();
    const env = { TENANT_MIGRATIONS_DIR: migrations.path };
    await using app = await place.openApp({ ...env, WORKER: 'inline' });
    const { services } = app;
    const { slug, token } = await seed(services);
    // Enough rows for all rounds: the backfill is paused between them.
    await migrations.addBackfill(
      '20270101000000_fill',
      'products',
      "UPDATE products SET name = name || '!' WHERE KEYS",
    );
    const url = await startServer(place, '../test/fixture/main.ts', { ...env, WORKER: 'off', LOG_LEVEL: 'warn' });
    const ask = startClient(place);
    const p99Of = async () => {
      const { latencies, codes } = await ask({ role: 'victim', url, token, query: productsQuery, ms: ROUND_MS });
      if (Object.keys(codes).join() !== 'OK') throw new Error(`The answers were ${JSON.stringify(codes)}`);
      return quantile(latencies, 0.99);
    };
    const run = await services.runs.start({ dryRun: false, continueOnError: true, verify: false });
    await pause(services, run);
    const p99 = await interleave(
      {
        baseline: p99Of,
        tenantry: async () => {
          const before = await rowsDone(services, slug);
          await services.runs.resume(run);
          const figure = await p99Of();
          await pause(services, run);
          const rows = await rowsDone(services, slug);
          process.stderr.write(`The backfill changed ${rows - before} rows in ${ROUND_MS} ms\n`);
          return figure;
        },
      },
      { rounds: 5, warmUp: 1, signal },
    );
    return [compare('a list during a backfill of its table, p99', 'ms', { atMost: 2 }, p99)];
  },
};

/** Pauses the backfill after its current batch. */
async function pause({ runs, catalog, listener }: Services, run: string): Promise<void> {
  await runs.cancel(run);
  for await (const { kind, message } of followRun(catalog, listener, run)) {
    if (kind === 'TENANT_SUCCEEDED') throw new Error('The backfill has ended too early. Use more rows.');
    if (kind === 'TENANT_FAILED') throw new Error(message ?? '');
  }
}

/** Creates the tenant with its rows and returns a token. */
async function seed(services: Services): Promise<{ readonly slug: string; readonly token: string }> {
  const { directory, tenants, tokens } = services;
  const [slug = ''] = await createTenants(services, 1, { isolation: 'DATABASE' });
  const tenant = await directory.byReference(slug);
  if (!tenant) throw new Error(`The tenant ${slug} is not found`);
  await tenants.pool(tenant).use(async (client) => {
    await client.query('SET statement_timeout = 0');
    await client.query(`INSERT INTO products (sku, name, price, currency, stock)
      SELECT 'sku-' || n, 'Product ' || n, 1, 'EUR', 10 FROM generate_series(1, ${ROWS}) n`);
  });
  return { slug, token: await tokens.issue({ tenant: slug, subject: slug, expiresIn: '1h' }) };
}

/** Returns how many rows the backfill has changed according to the tenant's history. */
async function rowsDone({ directory, tenants }: Services, slug: string): Promise<number> {
  const tenant = await directory.byReference(slug);
  if (!tenant) throw new Error(`The tenant ${slug} is not found`);
  const { rows } = await tenants
    .pool(tenant)
    .use((client) =>
      client.query<{ done: number }>(
        `SELECT (cursor ->> 'rowsDone')::int AS done FROM migration_history WHERE cursor IS NOT NULL`,
      ),
    );
  return rows[0]?.done ?? 0;
}

/** Starts a client process, which ends with the installation. Returns a function that runs a task in it. */
function startClient(place: BenchInstallation): (task: Task) => Promise<Outcome> {
  const child = fork(path.join(import.meta.dirname, 'fairness-client.ts'), { cwd: place.folder, execArgv: [] });
  place.defer(async () => {
    const exited = once(child, 'exit');
    if (child.kill('SIGTERM')) await exited;
  });
  return async (task) => {
    const answered = once(child, 'message');
    child.send(task);
    // The process sends no other messages.
    const [outcome] = await answered;
    return outcome as Outcome;
  };
}
