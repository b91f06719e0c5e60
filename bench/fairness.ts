import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Outcome, Task } from './fairness-client.ts';
import { type Benchmark, compare, interleave, quantile } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { startServer } from './server-process.ts';
import { createTenants, productsQuery } from './tenants.ts';

const ROUND_MS = 4_000;

/** As costly as one operation may be: pages of the largest size, as many as the limit of the cost lets through. */
const pages = Array.from(
  { length: 18 },
  (_, index) => `a${index}: products(first: 100) { nodes { id sku name price } }`,
);
const costliestQuery = `{ ${pages.join(' ')} }`;

/** What a tenant feels of another one that sends the worst that it may, as fast as it can. */
export const fairness: Benchmark = {
  name: 'fairness',
  about:
    "a tenant's list while another tenant sends as many of the costliest operations as it can, against a list alone",
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
      if (Object.keys(answers).join() !== 'OK') throw new Error(`The victim was answered ${JSON.stringify(answers)}`);
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
    // Otherwise something else has stopped the attack.
    if (codes.BAD_USER_INPUT)
      throw new Error(`The operations of the attacker are not allowed: ${JSON.stringify(codes)}`);
    process.stderr.write(`The attacker was answered ${JSON.stringify(codes)}\n`);
    return [
      compare("a list beside another tenant's attack, median", 'ms', { atMost: 3 }, p50),
      compare("a list beside another tenant's attack, p99", 'ms', { atMost: 3 }, p99),
    ];
  },
};

/** Two tenants with products; gives a token of each. */
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

/** Starts a process of clients, which ends with the installation; gives what makes it do something. */
function startClients(place: BenchInstallation): (task: Task) => Promise<Outcome> {
  const child = fork(path.join(import.meta.dirname, 'fairness-client.ts'), { cwd: place.folder, execArgv: [] });
  place.defer(async () => {
    const exited = once(child, 'exit');
    if (child.kill('SIGTERM')) await exited;
  });
  return (task) =>
    new Promise((resolve, reject) => {
      const ended = () => reject(new Error('A process of clients has ended'));
      child.once('exit', ended);
      // It sends nothing else.
      child.once('message', (outcome) => {
        child.off('exit', ended);
        resolve(outcome as Outcome);
      });
      child.send(task);
    });
}
