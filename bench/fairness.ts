import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Outcome, Task } from './fairness-client.ts';
import { type Benchmark, compare, interleave, quantile } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { startServer } from './server-process.ts';
import { createTenants, productsQuery } from './tenants.ts';

const ROUND_MS = 4_000;

/** The most expensive operation that the cost limit allows: as many pages of the maximum size as possible. */
const pages = Array.from(
  { length: 18 },
  (_, index) => `a${index}: products(first: 100) { nodes { id sku name price } }`,
);
const costliestQuery = `{ ${pages.join(' ')} }`;

/** How much a tenant is slowed down by another one that sends the most expensive operations as fast as it can. */
export const fairness: Benchmark = {
  name: 'fairness',
  about:
    "a tenant's list while another tenant sends the most expensive operations as fast as it can, compared with a list alone",
  async run(signal) {
    await using place = await openBenchInstallation();
    const [own = '', other = ''] = await seed(place);
    const url = await startServer(place, '../test/fixture/main.ts', { LOG_LEVEL: 'warn' });
    const [victim, attacker] = [startClients(place), startClients(place)];
    const codes: Record<string, number> = {};
    const p50: Record<'baseline' | 'tenantry', number[]> = { baseline: [], tenantry: [] };
    const ask = async (name: keyof typeof p50) => {
      const { latencies, codes: answers } = await victim({
        role: 'victim',
        url,
        token: own,
        query: productsQuery,
        ms: ROUND_MS,
      });
      if (Object.keys(answers).join() !== 'OK') throw new Error(`The victim's answers were ${JSON.stringify(answers)}`);
      p50[name].push(quantile(latencies, 0.5));
      return quantile(latencies, 0.99);
    };
    const p99 = await interleave(
      {
        baseline: () => ask('baseline'),
        tenantry: async () => {
          const attack = attacker({ role: 'attacker', url, token: other, query: costliestQuery, ms: ROUND_MS });
          const [figure, answers] = await Promise.all([ask('tenantry'), attack]);
          for (const [code, count] of Object.entries(answers.codes)) codes[code] = (codes[code] ?? 0) + count;
          return figure;
        },
      },
      { rounds: 10, warmUp: 2, signal },
    );
    // The attack must not be stopped by the limit for single operations.
    if (codes.BAD_USER_INPUT) throw new Error(`The attacker's operations were rejected: ${JSON.stringify(codes)}`);
    process.stderr.write(`The attacker's answers were ${JSON.stringify(codes)}\n`);
    return [
      compare("a list during another tenant's attack, median", 'ms', { atMost: 3 }, p50),
      compare("a list during another tenant's attack, p99", 'ms', { atMost: 3 }, p99),
    ];
  },
};

/** Creates two tenants with products and returns a token for each. */
async function seed(place: BenchInstallation): Promise<string[]> {
  await using app = await place.openApp();
  const { services } = app;
  const slugs = await createTenants(services, 2, { isolation: 'DATABASE' });
  for (const slug of slugs) {
    const tenant = await services.directory.byReference(slug);
    if (!tenant) throw new Error(`The tenant ${slug} is not found`);
    await services.tenants.pool(tenant).use((client) =>
      client.query(`INSERT INTO products (sku, name, price, currency, stock)
        SELECT 'sku-' || n, 'Product ' || n, n + 0.25, 'EUR', 10 FROM generate_series(1, 500) n`),
    );
  }
  return Promise.all(slugs.map((tenant) => services.tokens.issue({ tenant, subject: tenant, expiresIn: '1h' })));
}

/** Starts a client process, which ends with the installation. Returns a function that runs a task in it. */
function startClients(place: BenchInstallation): (task: Task) => Promise<Outcome> {
  const child = fork(path.join(import.meta.dirname, 'fairness-client.ts'), { cwd: place.folder, execArgv: [] });
  place.defer(async () => {
    const exited = once(child, 'exit');
    if (child.kill('SIGTERM')) await exited;
  });
  return (task) =>
    new Promise((resolve, reject) => {
      const ended = () => reject(new Error('A client process ended'));
      child.once('exit', ended);
      // The process sends no other messages.
      child.once('message', (outcome) => {
        child.off('exit', ended);
        resolve(outcome as Outcome);
      });
      child.send(task);
    });
}
