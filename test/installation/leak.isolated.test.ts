import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { BackendWatch, connectTestClient, settling } from '../support/backends.ts';
import { type Answer, startTestApp, type TestApp } from '../support/start-app.ts';
import { createTenants, mapAtOnce, type TestTenant } from '../support/tenants.ts';

const budget = 12;
/** Some are two requests, so that there are a little more than 3,000. */
const rounds = 2_400;
const atOnce = 32;

// What the API has no field for: SQL of the tenant's own, and mistakes that a resolver can make.
builder.queryFields((t) => ({
  rows: t.string({
    description: 'What PostgreSQL answers, as JSON.',
    args: { sql: t.arg.string({ required: true }) },
    authScopes: { tenantMember: true },
    resolve: async (_root, { sql }, { tenant }) => JSON.stringify(await tenant.em.execute(sql)),
  }),
  forgetTransaction: t.boolean({
    authScopes: { tenantMember: true },
    resolve: async (_root, _args, { tenant }) => {
      await tenant.em.begin();
      await tenant.em.execute(`UPDATE products SET name = 'must be rolled back'`);
      return true;
    },
  }),
  failInTransaction: t.boolean({
    args: { sql: t.arg.string({ required: true }) },
    authScopes: { tenantMember: true },
    resolve: async (_root, { sql }, { tenant }) =>
      tenant.em.transactional(async (em) => {
        await em.execute(`UPDATE products SET name = 'must be rolled back'`);
        await em.execute(sql);
        await sleep(1);
        throw new Error('the resolver fails after all');
      }),
  }),
}));

interface Place {
  readonly database: string;
  readonly schema: string;
  readonly role: string;
}

const whereAmI = 'SELECT current_database() AS database, current_schema() AS schema, current_user AS role';
const rowsOf = (sql: string) => `rows(sql: ${JSON.stringify(sql)})`;
const productInput = (sku: string) => `input: { sku: "${sku}", name: "n", price: "1.00", currency: "EUR", stock: 1 }`;

/** What a request can ask for, and the code of the error that it gets. */
const mischief: readonly (readonly [query: string, code: string])[] = [
  [rowsOf('SELECT 1 / 0'), 'BAD_USER_INPUT'],
  [rowsOf('BEGIN'), ''],
  [rowsOf('BEGIN; SELECT nothing'), 'INTERNAL_SERVER_ERROR'],
  [rowsOf('BEGIN; DELETE FROM products; SAVEPOINT s'), ''],
  ['forgetTransaction', ''],
  ['failInTransaction(sql: "SELECT 1")', 'INTERNAL_SERVER_ERROR'],
  ['failInTransaction(sql: "SELECT 1 / 0")', 'BAD_USER_INPUT'],
  ['failInTransaction(sql: "ROLLBACK; BEGIN; SELECT 1 / 0")', 'BAD_USER_INPUT'],
  [rowsOf('SELECT pg_terminate_backend(pg_backend_pid())'), 'SERVER_BUSY'],
  ['failInTransaction(sql: "SELECT pg_terminate_backend(pg_backend_pid())")', 'SERVER_BUSY'],
];

/** Leaves something of every kind that PostgreSQL keeps for a session. */
const pollution = `SET search_path = pg_catalog; SET work_mem = '123kB'; SET default_transaction_read_only = on;
  SET SESSION AUTHORIZATION DEFAULT; PREPARE leak AS SELECT 1; LISTEN leak;
  DECLARE leak CURSOR WITH HOLD FOR SELECT 1; SELECT set_config('leak.secret', 'mine', false)`;
// A session that stays with its tenant keeps the statements of its lists, which are named after a hash of 43 characters.
const session = `SELECT (SELECT array_agg(name) FROM pg_settings WHERE source = 'session') AS settings,
  (SELECT array_agg(name) FROM pg_prepared_statements WHERE name !~ '^[-\\w]{43}$') AS statements,
  (SELECT array_agg(name) FROM pg_cursors) AS cursors,
  (SELECT array_agg(channel) FROM pg_listening_channels() AS channel) AS channels,
  current_setting('leak.secret', true) AS secret, current_schema() AS schema`;

describe('many tenants on few connections', () => {
  let app: TestApp;
  let tenants: TestTenant[];
  beforeAll(async () => {
    app = await startTestApp({ CONNECTION_BUDGET: String(budget), CONNECTION_WAIT_MS: '60000' });
    tenants = await createTenants(
      app,
      Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? 'DATABASE' : 'SCHEMA')),
    );
    for (const { slug, member } of tenants) {
      expect(await app.ask(`mutation { createProduct(${productInput(slug)}) { sku } }`, member)).toEqual({
        data: { createProduct: { sku: slug } },
      });
    }
  });
  afterAll(() => app[Symbol.asyncDispose]());

  function placeOf({ row }: TestTenant): Place {
    return { database: row.database, schema: row.schema, role: `tenant_${row.key}` };
  }

  function codeOf({ errors }: Answer): string {
    return errors?.map(({ extensions }) => extensions.code).join() ?? '';
  }

  it('are answered from their own place only, whatever went wrong before', async () => {
    const server = app.services.servers.get('default') ?? expect.unreachable();
    const address = server.address ?? expect.unreachable();
    await using watch = await BackendWatch.start({ ...address, database: address.maintenanceDatabase });
    const created = new Map(tenants.map(({ slug }) => [slug, 1]));
    const jobs = Array.from({ length: rounds }, (_, index) => ({
      tenant: tenants[Math.floor(Math.random() * tenants.length)] ?? expect.unreachable(),
      kind: index % 10,
    }));
    await mapAtOnce(jobs, atOnce, async ({ tenant, kind }, index) => {
      const { slug, member } = tenant;
      if (kind < 3) {
        const sku = `${slug}-${kind === 0 ? index : 'same'}`;
        const answer = await app.ask(`mutation { createProduct(${productInput(sku)}) { sku } }`, member);
        if (!answer.errors) created.set(slug, (created.get(slug) ?? 0) + 1);
        expect(answer.errors ? codeOf(answer) : answer.data).toEqual(
          answer.errors && kind > 0 ? 'CONFLICT' : { createProduct: { sku } },
        );
        return;
      }
      const answer = await app.ask(`{ where: ${rowsOf(whereAmI)} products(first: 1) { nodes { sku } } }`, member);
      expect(answer.errors).toBeUndefined();
      expect(JSON.parse(String(answer.data?.where))).toEqual([placeOf(tenant)]);
      expect(answer.data?.products).toEqual({ nodes: [{ sku: slug }] });
      if (kind > 6) {
        const [query, code] = mischief[Math.floor(index / 10) % mischief.length] ?? expect.unreachable();
        expect(codeOf(await app.ask(`{ ${query} }`, member)), query).toBe(code);
      }
    });
    expect(await watch.peak()).toBeLessThanOrEqual(budget);
    // Only the listener holds a connection: none was lost on the way.
    await vi.waitFor(
      () => expect([server.stats.open - server.stats.idle, server.stats.waiting]).toEqual([1, 0]),
      settling,
    );

    for (const tenant of tenants) {
      const client = await connectTestClient({ ...address, database: tenant.row.database });
      const { rows } = await client.query(
        `SELECT count(*)::int AS count, bool_and((sku = $1 OR sku LIKE $1 || '-%') AND name = 'n') AS own FROM "${tenant.row.schema}".products`,
        [tenant.slug],
      );
      await client.end();
      expect(rows, tenant.slug).toEqual([{ count: created.get(tenant.slug), own: true }]);
    }
  }, 400_000);

  it('find nothing in their sessions that another tenant left in its own', async () => {
    const clean = { settings: null, statements: null, cursors: null, channels: null, secret: null };
    const [polluters, others] = [tenants.slice(0, 12), tenants.slice(12)];
    const sessionOf = async ({ member }: TestTenant) =>
      JSON.parse(String((await app.ask(`{ session: ${rowsOf(session)} }`, member)).data?.session))[0];
    for (const tenant of polluters) {
      expect(await app.ask(`{ ${rowsOf(pollution)} }`, tenant.member)).not.toHaveProperty('errors');
      // The same connection comes back to the same tenant, so that there was something to find.
      expect(await sessionOf(tenant)).toEqual({
        settings: expect.arrayContaining(['search_path', 'work_mem', 'default_transaction_read_only']),
        statements: ['leak'],
        cursors: ['leak'],
        channels: ['leak'],
        secret: 'mine',
        schema: 'pg_catalog',
      });
      for (const other of others) expect(await sessionOf(other)).toEqual({ ...clean, schema: other.row.schema });
    }
  });
});
