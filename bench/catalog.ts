import { TenantDirectory } from '../src/catalog/tenant-directory.ts';
import { readFleetReport } from '../src/fleet/overview/report.ts';
import { planFleet } from '../src/fleet/plan.ts';
import { readFleetStatus } from '../src/fleet/status.ts';
import type { Services } from '../src/installation/services.ts';
import { insertCurrentTenants } from './current-tenants.ts';
import { type Benchmark, limit, quantile, type Result, timed } from './harness.ts';
import { heapInUse } from './heap.ts';
import { openBenchInstallation } from './installation.ts';
import { runFleet } from './run-fleet.ts';
import { frontOf } from './tenants.ts';

const TENANTS = 100_000;
const ROUNDS = 7;
/** How many tenants are found one after the other. */
const FOUND = 500;

/** What lists of tenants are asked for, and how long an answer may take, in milliseconds. */
const lists: readonly (readonly [what: string, args: string, atMost: number])[] = [
  ['the first page', 'first: 100', 30],
  ['a page in the middle', 'first: 100, after: MIDDLE', 30],
  ['the last page', 'last: 100', 30],
  ...['name', 'slug', 'status', 'version', 'createdAt', 'lastMigratedAt'].flatMap((field) => [
    [`the first page by ${field}`, `first: 100, orderBy: [{ ${field}: ASC }]`, 50] as const,
    [`a page in the middle by ${field}`, `first: 100, after: MIDDLE, orderBy: [{ ${field}: ASC }]`, 50] as const,
  ]),
  ['a search that finds one', 'first: 20, filter: { search: "nant-77777.exam" }', 50],
  ['a search that finds all', 'first: 20, filter: { search: "tenant-" }', 30],
  ['a search that finds nothing', 'first: 20, filter: { search: "no such thing" }', 50],
  ['a search in order of names', 'first: 20, filter: { search: "77" }, orderBy: [{ name: ASC }]', 50],
  ['those that are behind', 'first: 20, filter: { behind: true }', 30],
  ['those of a status that none has', 'first: 20, filter: { status: NEEDS_ATTENTION }', 30],
  ['those of a server', 'first: 20, filter: { server: "default" }', 30],
];

/** The catalog of a large fleet. */
export const catalog: Benchmark = {
  name: 'catalog',
  about: `the catalog with ${TENANTS} tenants: lists, search, counts, plans, a run with nothing to do, finding a tenant`,
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp();
    await app.prepared;
    const { services } = app;
    await insertCurrentTenants(services, TENANTS);
    const measure = async (what: string, atMost: number, work: () => Promise<unknown>) => {
      const samples: number[] = [];
      for (let round = 0; round <= ROUNDS; round += 1) {
        signal.throwIfAborted();
        const ms = await timed(work);
        // The first round only warms up.
        if (round > 0) samples.push(ms);
      }
      return limit(what, 'ms', { atMost }, quantile(samples, 0.5));
    };
    const results: Result[] = [];
    const ask = await askAsAdmin(services);
    for (const [what, args, atMost] of lists) {
      const asked = args.includes('MIDDLE') ? args.replace('MIDDLE', JSON.stringify(await middle(ask, args))) : args;
      results.push(await measure(`tenants: ${what}`, atMost, () => ask(`{ tenants(${asked}) ${fields} }`)));
    }
    results.push(
      await measure('tenants: totalCount', 60, () => ask('{ tenants(first: 1) { totalCount } }')),
      await measure('servers', 60, () => ask('{ servers { name tenantCount } }')),
      await measure('migrate status', 200, () => readStatus(services)),
      await measure('status', 200, () => readFleetReport(services)),
      await measure('migrate plan with nothing to do', 200, () => plan(services)),
      await measure('migrationPlan with nothing to do', 200, () => ask(planQuery)),
      await measure('a run with nothing to do', 1_500, () => runFleet(services, { succeeded: 0, skipped: TENANTS })),
      ...(await findTenants(services)),
    );
    await services.catalog.use((client) => client.query(`UPDATE migration_states SET applied = '[]', version = NULL`));
    results.push(
      await measure('migrationPlan of all', 5_000, () => ask(planQuery)),
      await measure('tenants: those that are behind, if all are', 30, () =>
        ask(`{ tenants(first: 20, filter: { behind: true }) ${fields} }`),
      ),
    );
    return results;
  },
};

const fields = '{ nodes { id slug name status version behind host createdAt } pageInfo { hasNextPage endCursor } }';
const planQuery =
  '{ migrationPlan { totalCount upToDateCount tenants(first: 20) { tenant { slug } pending } migrations { name } } }';

interface Answer {
  readonly data?: { readonly tenants?: { readonly pageInfo: { readonly endCursor: string } } };
  readonly errors?: unknown;
}

type Ask = (query: string) => Promise<Answer>;

async function askAsAdmin(services: Services): Promise<Ask> {
  const front = frontOf(services);
  const token = await services.tokens.issue({ platformAdmin: true, expiresIn: '1h' });
  return async (query) => {
    // The server answers GraphQL requests in this shape.
    const answer = JSON.parse(await front(query, token)) as Answer;
    if (answer.errors) throw new Error(`${query}: ${JSON.stringify(answer.errors)}`);
    return answer;
  };
}

/** The cursor after half of all tenants. Their names and slugs are spread evenly; the other columns are the same for all. */
async function middle(ask: Ask, args: string): Promise<string> {
  const order = /orderBy: .*/.exec(args)?.[0] ?? '';
  const { data } = await ask(
    `{ tenants(first: 1, filter: { search: "tenant-50000" } ${order}) { pageInfo { endCursor } } }`,
  );
  return data?.tenants?.pageInfo.endCursor ?? '';
}

async function readStatus({ catalog, migrations }: Services): Promise<unknown> {
  return readFleetStatus(catalog, await migrations.tenant.read(), await migrations.common.read());
}

async function plan({ catalog, tenants, migrations }: Services): Promise<void> {
  const files = { files: await migrations.tenant.read(), common: await migrations.common.read() };
  const found = await planFleet({ catalog, connections: tenants, ...files, concurrency: 8 }, { verify: false });
  if (found.upToDateCount !== TENANTS) throw new Error(`Only ${found.upToDateCount} tenants are up to date`);
}

/** Finds tenants that no cache has, and then all of them, of which a cache keeps only the latest. */
async function findTenants({ catalog, listener }: Services): Promise<Result[]> {
  const directory = new TenantDirectory(catalog, listener);
  const each = async (find: (n: number) => Promise<unknown>) => {
    const ms = await timed(async () => {
      for (let n = 1; n <= FOUND; n += 1) {
        if (!(await find(n * 100))) throw new Error(`The tenant ${n} is not found`);
      }
    });
    return ms / FOUND;
  };
  await each((n) => directory.byReference(`tenant-${n + 1}`));
  const bySlug = await each((n) => directory.byReference(`tenant-${n}`));
  const byHost = await each((n) => directory.byHost(`tenant-${n}.example.com`));
  const before = await heapInUse();
  for (let n = 1; n < TENANTS; n += 50) {
    const some = Array.from({ length: Math.min(50, TENANTS - n) }, (_, index) => n + index);
    await Promise.all(some.map((each) => directory.byReference(`tenant-${each}`)));
  }
  const grown = (await heapInUse()) - before;
  return [
    limit('finding a tenant by its slug', 'ms', { atMost: 3 }, bySlug),
    limit('finding a tenant by its host', 'ms', { atMost: 3 }, byHost),
    limit(`memory after finding ${TENANTS} tenants`, 'MB', { atMost: 20 }, grown / 1e6),
  ];
}
