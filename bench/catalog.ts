import { TenantDirectory } from '../src/catalog/tenant-directory.ts';
import { FleetOverview } from '../src/fleet/overview/overview.ts';
import { readFleetReport } from '../src/fleet/overview/report.ts';
import { planFleet } from '../src/fleet/plan.ts';
import { readFleetStatus } from '../src/fleet/status.ts';
import type { Services } from '../src/installation/services.ts';
import { insertCurrentTenants } from './current-tenants.ts';
import { type Benchmark, compareBoth, interleave, limit, quantile, type Result, timed } from './harness.ts';
import { heapInUse } from './heap.ts';
import { openBenchInstallation } from './installation.ts';
import { runFleet } from './run-fleet.ts';
import { frontOf } from './tenants.ts';

/** How many tenants the two fleets have. */
const [FEW, MANY] = [10_000, 100_000];
/** How many times as long a request may take in the larger fleet. */
const GROWTH = 2;
const ROUNDS = 7;
const WARM_UP = 2;
/** How often the smaller fleet is asked everything before: the first requests of a process take longer. */
const REHEARSALS = 20;
/** How many tenants are found one after the other. */
const FOUND = 100;

/** What lists of tenants are asked for, and how long an answer may take, in milliseconds. */
const lists: readonly (readonly [what: string, args: string, atMost: number])[] = [
  ['the first page', 'first: 100', 30],
  ['a page in the middle', 'first: 100, after: MIDDLE', 30],
  ['the last page', 'last: 100', 30],
  ...['name', 'slug', 'status', 'version', 'createdAt', 'lastMigratedAt'].flatMap((field) => [
    [`the first page by ${field}`, `first: 100, orderBy: [{ ${field}: ASC }]`, 50] as const,
    [`a page in the middle by ${field}`, `first: 100, after: MIDDLE, orderBy: [{ ${field}: ASC }]`, 50] as const,
  ]),
  ['a search that finds one', 'first: 20, filter: { search: "nant-7777.exam" }', 50],
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
  about: `the catalog with ${MANY} tenants, compared with ${FEW}: lists, search, counts, plans, a run with nothing to do, finding a tenant`,
  async run(signal) {
    await using stack = new AsyncDisposableStack();
    const small = await openFleet(FEW, stack);
    const large = await openFleet(MANY, stack);
    const [few, many] = [await questionsOf(small, FEW), await questionsOf(large, MANY)];
    for (let round = 0; round < REHEARSALS; round += 1) {
      for (const { isLinear, ask } of few) if (!isLinear) await ask(round);
    }
    const results: Result[] = [];
    for (const [index, { what, atMost, isLinear, ask }] of many.entries()) {
      const baseline = few[index]?.ask ?? ask;
      const samples = await interleave({ baseline, tenantry: ask }, { rounds: ROUNDS, warmUp: WARM_UP, signal });
      const targets = { figure: { atMost }, ratio: { atMost: GROWTH } };
      results.push(
        isLinear
          ? limit(
              `${what} (linear)`,
              'ms',
              { atMost },
              quantile(samples.tenantry, 0.5),
              quantile(samples.baseline, 0.5),
            )
          : compareBoth(what, 'ms', targets, samples),
      );
    }
    results.push(await compareMemory(small, large), ...(await measureBehind(large, signal)));
    return results;
  },
};

/** Opens an installation of its own whose catalog has as many tenants. */
async function openFleet(size: number, stack: AsyncDisposableStack): Promise<Services> {
  const place = stack.use(await openBenchInstallation());
  const { services, prepared } = stack.use(await place.openApp());
  await prepared;
  await insertCurrentTenants(services, size);
  return services;
}

/** Something that is asked of a fleet. */
interface Question {
  readonly what: string;
  /** How long it may take with many tenants, in milliseconds. */
  readonly atMost: number;
  /** Whether it looks at each tenant, so that it grows with the fleet. What is asked for one tenant or one page must not. */
  readonly isLinear: boolean;
  /** Returns how long it takes, in milliseconds. */
  ask(round: number): Promise<number>;
}

async function questionsOf(services: Services, size: number): Promise<readonly Question[]> {
  const ask = await askAsAdmin(services);
  const pages: Question[] = [];
  for (const [what, args, atMost] of lists) {
    const cursor = args.includes('MIDDLE') ? JSON.stringify(await middle(ask, size, args)) : '';
    const query = `{ tenants(${args.replace('MIDDLE', cursor)}) ${fields} }`;
    pages.push({ what: `tenants: ${what}`, atMost, isLinear: false, ask: () => timed(() => ask(query)) });
  }
  const linear = (what: string, atMost: number, work: () => Promise<unknown>): Question => {
    return { what, atMost, isLinear: true, ask: () => timed(work) };
  };
  const found = { atMost: 3, isLinear: false };
  return [
    ...pages,
    {
      ...found,
      what: 'finding a tenant by its slug',
      ask: findTenants(services, size, 'byReference', (n) => `tenant-${n}`),
    },
    {
      ...found,
      what: 'finding a tenant by its host',
      ask: findTenants(services, size, 'byHost', (n) => `tenant-${n}.example.com`),
    },
    linear('tenants: totalCount', 60, () => ask('{ tenants(first: 1) { totalCount } }')),
    linear('servers', 60, () => ask('{ servers { name tenantCount } }')),
    linear('migrate status', 200, () => readStatus(services)),
    linear('status', 200, () => readReport(services)),
    linear('migrate plan with nothing to do', 200, () => plan(services, size)),
    linear('migrationPlan with nothing to do', 200, () => ask(planQuery)),
    linear('a run with nothing to do', 1_200, () => runFleet(services, { succeeded: 0, skipped: size })),
  ];
}

/** When a new migration has arrived, the whole fleet is behind. */
async function measureBehind(services: Services, signal: AbortSignal): Promise<Result[]> {
  await services.catalog.use((client) => client.query(`UPDATE migration_states SET applied = '[]', version = NULL`));
  const ask = await askAsAdmin(services);
  const behind = `{ tenants(first: 20, filter: { behind: true }) ${fields} }`;
  const { planned, listed } = await interleave(
    { planned: () => timed(() => ask(planQuery)), listed: () => timed(() => ask(behind)) },
    { rounds: ROUNDS, warmUp: WARM_UP, signal },
  );
  return [
    limit('migrationPlan of all (linear)', 'ms', { atMost: 1_500 }, quantile(planned, 0.5)),
    limit('tenants: those that are behind, if all are', 'ms', { atMost: 30 }, quantile(listed, 0.5)),
  ];
}

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
async function middle(ask: Ask, size: number, args: string): Promise<string> {
  const order = /orderBy: .*/.exec(args)?.[0] ?? '';
  const { data } = await ask(
    `{ tenants(first: 1, filter: { search: "tenant-${size / 2}" } ${order}) { pageInfo { endCursor } } }`,
  );
  return data?.tenants?.pageInfo.endCursor ?? '';
}

async function readStatus({ catalog, migrations }: Services): Promise<unknown> {
  return readFleetStatus(catalog, await migrations.tenant.read(), await migrations.common.read());
}

/** With counts that are made anew each time; those of a server may be a second old. */
async function readReport(services: Services): Promise<unknown> {
  const { catalog, migrations } = services;
  return readFleetReport({ ...services, fleet: new FleetOverview(catalog, migrations) });
}

async function plan({ catalog, tenants, migrations }: Services, size: number): Promise<void> {
  const files = { files: await migrations.tenant.read(), common: await migrations.common.read() };
  const found = await planFleet({ catalog, connections: tenants, ...files, concurrency: 8 }, { verify: false });
  if (found.upToDateCount !== size) throw new Error(`Only ${found.upToDateCount} tenants are up to date`);
}

/** Finds tenants that no cache has, one after the other. Returns how long one takes. */
function findTenants(
  { catalog, listener }: Services,
  size: number,
  by: 'byReference' | 'byHost',
  name: (n: number) => string,
): (round: number) => Promise<number> {
  return async (round) => {
    const directory = new TenantDirectory(catalog, listener);
    const ms = await timed(async () => {
      for (let n = 1; n <= FOUND; n += 1) {
        const tenant = name((n * size) / FOUND - 1 - round);
        if (!(await directory[by](tenant))) throw new Error(`The tenant ${tenant} is not found`);
      }
    });
    return ms / FOUND;
  };
}

/** What is in memory after all tenants were found, of which a cache keeps only the latest. */
async function compareMemory(small: Services, large: Services): Promise<Result> {
  const samples = { baseline: [await grown(small, FEW)], tenantry: [await grown(large, MANY)] };
  const targets = { figure: { atMost: 20 }, ratio: { atMost: GROWTH } };
  return compareBoth('memory after finding all tenants', 'MB', targets, samples);
}

async function grown({ catalog, listener }: Services, size: number): Promise<number> {
  const directory = new TenantDirectory(catalog, listener);
  const before = await heapInUse();
  for (let n = 1; n < size; n += 50) {
    const some = Array.from({ length: Math.min(50, size - n) }, (_, index) => n + index);
    await Promise.all(some.map((each) => directory.byReference(`tenant-${each}`)));
  }
  return ((await heapInUse()) - before) / 1e6;
}
