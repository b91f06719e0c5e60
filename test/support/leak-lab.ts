import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { expect } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { connectTestClient } from './backends.ts';
import type { Answer, TestApp } from './start-app.ts';
import { createTenants, mapAtOnce, type TestTenant } from './tenants.ts';

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

/** Where a session of PostgreSQL is. */
export interface Place {
  readonly database: string;
  readonly schema: string;
  readonly role: string;
}

/** Asks a session where it is. */
export const whereAmI = 'SELECT current_database() AS database, current_schema() AS schema, current_user AS role';
/** A field of a query that runs SQL as the tenant. */
export const rowsOf = (sql: string) => `rows(sql: ${JSON.stringify(sql)})`;
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

function placeOf({ row }: TestTenant): Place {
  return { database: row.database, schema: row.schema, role: `tenant_${row.key}` };
}

function codeOf({ errors }: Answer): string {
  return errors?.map(({ extensions }) => extensions.code).join() ?? '';
}

/** Creates tenants of both isolations, each with a product that bears its name. */
export async function createNamedTenants(app: TestApp, count: number): Promise<TestTenant[]> {
  const isolations = Array.from({ length: count }, (_, index) => (index % 2 === 0 ? 'DATABASE' : ('SCHEMA' as const)));
  const tenants = await createTenants(app, isolations);
  for (const { slug, member } of tenants) {
    expect(await app.ask(`mutation { createProduct(${productInput(slug)}) { sku } }`, member)).toEqual({
      data: { createProduct: { sku: slug } },
    });
  }
  return tenants;
}

/**
 * Sends requests of these tenants in turn, also such as leave their session in a bad state, and expects each to be answered from
 * the tenant's own place.
 * @returns how many products each tenant has then
 */
export async function playRounds(app: TestApp, tenants: readonly TestTenant[]): Promise<ReadonlyMap<string, number>> {
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
  return created;
}

/** Expects each tenant to have its own rows, this many, and no others. */
export async function expectOwnRows(
  address: pg.ClientConfig,
  tenants: readonly TestTenant[],
  created: ReadonlyMap<string, number>,
): Promise<void> {
  for (const tenant of tenants) {
    const client = await connectTestClient({ ...address, database: tenant.row.database });
    const { rows } = await client.query(
      `SELECT count(*)::int AS count, bool_and((sku = $1 OR sku LIKE $1 || '-%') AND name = 'n') AS own FROM "${tenant.row.schema}".products`,
      [tenant.slug],
    );
    await client.end();
    expect(rows, tenant.slug).toEqual([{ count: created.get(tenant.slug), own: true }]);
  }
}
