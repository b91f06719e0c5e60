import { createTenant } from '../src/tenants/create.ts';
import { type Benchmark, compare, interleave, type Samples } from './harness.ts';
import { prepareLoad } from './http-load.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';
import { startServer } from './server-process.ts';

const TENANTS = 50;
const CONNECTIONS = 32;
const BLOCK_MS = 500;

/** Requests per second over HTTP, compared with the same stack without tenants and with a hand-written map of ORMs. */
export const requests: Benchmark = {
  name: 'requests',
  about: 'a list over HTTP, compared with the same stack on one database and with a hand-written Map<tenant, MikroORM>',
  async run(signal) {
    await using place = await openBenchInstallation();
    const { databases, tokens } = await seedTenants(place, TENANTS);
    const tenantry = await startServer(place, '../test/fixture/main.ts');
    const baselineOf = (urls: Record<string, string>) =>
      startServer(place, 'baseline-server.ts', { BASELINE_DATABASES: JSON.stringify(urls) });
    const [slug = '', url = ''] = Object.entries(databases)[0] ?? [];
    const one = await contest(await baselineOf({ [slug]: url }), tenantry, tokens.slice(0, 1), signal);
    const many = await contest(await baselineOf(databases), tenantry, tokens, signal);
    return [
      compare('requests, one tenant', '/s', { atLeast: 0.85 }, one),
      compare(`requests, ${TENANTS} tenants in turn`, '/s', { atLeast: 0.85 }, many),
    ];
  },
};

/** Compares the requests per second of two servers, which send a list of the tenants of these tokens in turn. */
export async function contest(
  baseline: string,
  tenantry: string,
  tokens: readonly string[],
  signal: AbortSignal,
): Promise<Samples<'baseline' | 'tenantry'>> {
  const loads = {
    baseline: prepareLoad(baseline, tokens, CONNECTIONS),
    tenantry: prepareLoad(tenantry, tokens, CONNECTIONS),
  };
  const samples = await interleave(
    { baseline: () => loads.baseline.run(BLOCK_MS), tenantry: () => loads.tenantry.run(BLOCK_MS) },
    { rounds: 40, warmUp: 8, signal },
  );
  for (const load of Object.values(loads)) load.close();
  return samples;
}

/** Creates tenants with products. Returns the URLs of their databases by slug, and their tokens. */
export async function seedTenants(
  place: BenchInstallation,
  count: number,
): Promise<{ readonly databases: Record<string, string>; readonly tokens: string[] }> {
  await using app = await place.openApp();
  const { provisioning, tokens } = app.services;
  const databases: Record<string, string> = {};
  for (let index = 0; index < count; index += 1) {
    const { slug, database } = await createTenant(provisioning, { slug: `tenant-${index}`, name: 'Bench' });
    databases[slug] = place.urlOf(database);
    const client = await place.connect(database);
    await client.query(`INSERT INTO products (sku, name, price, currency, stock)
      SELECT 'sku-' || n, 'Product ' || n, n + 0.25, 'EUR', 10 FROM generate_series(1, 50) n`);
    await client.end();
  }
  const issue = (tenant: string) => tokens.issue({ tenant, expiresIn: '1h' });
  return { databases, tokens: await Promise.all(Object.keys(databases).map(issue)) };
}
