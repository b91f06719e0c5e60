import { setTimeout as sleep } from 'node:timers/promises';
import { createGraphqlServer } from '../src/api/server.ts';
import { buildSchema } from '../src/server/build-schema.ts';
import { product } from '../test/fixture/product.ts';
import { insertCurrentTenants } from './current-tenants.ts';
import { type Benchmark, limit, quantile, timed } from './harness.ts';
import { openBenchInstallation } from './installation.ts';

const TENANTS = 100_000;
const ROUNDS = 10;
/** For how long counts are reused at most, and a bit. */
const REUSE_MS = 1_050;
/** The pages of a picture of 10,000 tenants. */
const PAGES = 4;

const statusQuery =
  '{ fleetStatus { total behind needsAttention byStatus { status count } byVersion { version count } byServer { server count } byIsolation { isolation count } } }';
const cellsQuery =
  'query ($after: String) { fleetCells(after: $after) { cells { id slug status isolation server state } deleted states { id version behind } hasMore cursor } }';

interface Answer {
  readonly data?: {
    readonly fleetStatus?: { readonly total: number };
    readonly fleetCells?: { readonly cells: readonly unknown[]; readonly hasMore: boolean; readonly cursor: string };
  };
  readonly errors?: unknown;
}

/** The fleet at a glance, through the API. */
export const fleetStatus: Benchmark = {
  name: 'fleet-status',
  about: `the fleet at a glance: fleetStatus and fleetCells over ${TENANTS} tenants`,
  async run(signal) {
    await using place = await openBenchInstallation();
    await using app = await place.openApp();
    await app.prepared;
    await insertCurrentTenants(app.services, TENANTS);
    const ask = await askAsAdmin(app.services);
    const cells = async (after?: string) => {
      const { data } = await ask(cellsQuery, { after });
      if (!data?.fleetCells) throw new Error('There are no cells');
      return data.fleetCells;
    };
    let cursor = await cursorAtEnd(cells);
    const samples = { status: [] as number[], picture: [] as number[], change: [] as number[] };
    for (let round = 0; round < ROUNDS + 2; round += 1) {
      signal.throwIfAborted();
      await sleep(REUSE_MS);
      const status = await timed(async () => {
        const { data } = await ask(statusQuery);
        if (data?.fleetStatus?.total !== TENANTS) throw new Error('The tenants are not counted right');
      });
      const picture = await timed(async () => {
        let after: string | undefined;
        for (let page = 0; page < PAGES; page += 1) after = (await cells(after)).cursor;
      });
      await app.services.catalog.use((client) =>
        client.query(
          `UPDATE tenants SET status = CASE status WHEN 'ACTIVE' THEN 'SUSPENDED' ELSE 'ACTIVE' END WHERE slug = 'tenant-7'`,
        ),
      );
      const change = await timed(async () => {
        const changed = await cells(cursor);
        if (changed.cells.length !== 1) throw new Error(`${changed.cells.length} changes instead of 1`);
        cursor = changed.cursor;
      });
      // The first rounds only warm up.
      if (round < 2) continue;
      samples.status.push(status);
      samples.picture.push(picture);
      samples.change.push(change);
    }
    return [
      limit(`fleetStatus of ${TENANTS} tenants`, 'ms', { atMost: 100 }, quantile(samples.status, 0.5)),
      limit('fleetCells: a picture of 10000 tenants', 'ms', { atMost: 1_000 }, quantile(samples.picture, 0.5)),
      limit(`fleetCells: one change among ${TENANTS}`, 'ms', { atMost: 50 }, quantile(samples.change, 0.5)),
    ];
  },
};

type Services = Parameters<typeof createGraphqlServer>[0];

async function askAsAdmin(services: Services) {
  const yoga = createGraphqlServer(services, await buildSchema(product));
  const token = await services.tokens.issue({ platformAdmin: true, expiresIn: '1h' });
  return async (query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<Answer> => {
    const response = await yoga.fetch('http://localhost/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    // The server answers GraphQL requests in this shape.
    const answer = (await response.json()) as Answer;
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    return answer;
  };
}

/** Reads all pages. */
async function cursorAtEnd(
  cells: (after?: string) => Promise<{ readonly hasMore: boolean; readonly cursor: string }>,
): Promise<string> {
  let page = await cells();
  while (page.hasMore) page = await cells(page.cursor);
  return page.cursor;
}
