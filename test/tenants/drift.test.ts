import { afterAll, beforeAll, expect, it } from 'vitest';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

let app: TestApp;
const isolations = { 'a-db': 'DATABASE', 'a-schema': 'SCHEMA', 'b-schema': 'SCHEMA' };

beforeAll(async () => {
  app = await startTestApp();
  for (const [slug, isolation] of Object.entries(isolations)) {
    const { errors } = await app.ask(
      `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`,
      app.admin,
    );
    expect(errors).toBeUndefined();
  }
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
});

const drift = async (slug: string) => {
  const { data, errors } = await app.ask(`{ tenant(slug: "${slug}") { drift { isClean sql } } }`, app.admin);
  expect(errors).toBeUndefined();
  // The shape that the query asks for.
  return (data as { tenant: { drift: { isClean: boolean; sql: string[] } } }).tenant.drift;
};

/** Sends statements to a tenant's database as its owner, the way somebody does who works by hand. */
const byHand = async (slug: string, ...statements: string[]) => {
  const tenant = await app.services.directory.byReference(slug);
  const server = app.services.servers.get('default');
  if (!tenant || !server) throw new Error(`no tenant ${slug}`);
  await server.owner(tenant.database, async (client) => {
    await client.query(`SET search_path = ${quoteIdentifier(tenant.schema)}`);
    for (const statement of statements) await client.query(statement);
  });
};

const clean = { isClean: true, sql: [] };

it.each(['a-db', 'a-schema'])('there is none in %s after the migrations', async (slug) => {
  expect(await drift(slug)).toEqual(clean);
});

/** What is wrong, how it came about, and what must be said. */
const changes: [string, string, RegExp][] = [
  ['a column too many', 'ALTER TABLE products ADD COLUMN colour text', /drop column "colour"/],
  ['a column that is missing', 'ALTER TABLE products DROP COLUMN stock', /add "stock" int/],
  ['another type', 'ALTER TABLE products ALTER COLUMN name TYPE varchar(40)', /alter column "name" type text/],
  ['another precision', 'ALTER TABLE products ALTER COLUMN price TYPE numeric(10, 2)', /numeric\(14,\s*4\)/],
  ['NULL allowed', 'ALTER TABLE orders ALTER COLUMN currency DROP NOT NULL', /set not null/],
  ['a default that is gone', 'ALTER TABLE orders ALTER COLUMN placed_at DROP DEFAULT', /set default now\(\)/],
  ['an index that is missing', 'DROP INDEX orders_placed_at_idx', /create index "orders_placed_at_idx"/],
  ['an index too many', 'CREATE INDEX by_hand ON orders (total)', /drop index .*"by_hand"/],
  [
    'an index on other columns',
    'DROP INDEX orders_placed_at_idx; CREATE INDEX orders_placed_at_idx ON orders (total)',
    /create index "orders_placed_at_idx"/,
  ],
  ['a unique key that is missing', 'ALTER TABLE products DROP CONSTRAINT products_sku_key', /unique \("sku"\)/],
  ['a check that is missing', 'ALTER TABLE products DROP CONSTRAINT products_price_check', /check \(price >= 0\)/],
  [
    'a check that says something else',
    'ALTER TABLE products DROP CONSTRAINT products_price_check, ADD CONSTRAINT products_price_check CHECK (price > 1)',
    /check \(price >= 0\)/,
  ],
  [
    'a foreign key that is missing',
    'ALTER TABLE order_lines DROP CONSTRAINT order_lines_order_id_fkey',
    /"order_lines_order_id_fkey" foreign key .* on delete cascade/,
  ],
  [
    'a foreign key that does something else',
    'ALTER TABLE order_lines DROP CONSTRAINT order_lines_order_id_fkey, ADD CONSTRAINT order_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id)',
    /on delete cascade/,
  ],
  ['a table that is missing', 'DROP TABLE order_lines', /create table .*"order_lines"/],
  ['all tables missing', 'DROP TABLE order_lines, orders, products', /create table .*"products"/],
  ['a table too many', 'CREATE TABLE by_hand (id int)', /drop table if exists .*"by_hand"/],
  ['another name', 'ALTER TABLE products RENAME COLUMN stock TO pieces', /rename column "pieces" to "stock"/],
];

it.each(changes)('names %s, with SQL that fixes it', async (_name, statement, expected) => {
  await byHand('a-db', statement);
  const { isClean, sql } = await drift('a-db');
  expect(isClean).toBe(false);
  expect(sql.join('\n')).toMatch(expected);
  await byHand('a-db', ...sql);
  expect(await drift('a-db')).toEqual(clean);
});

it.each([
  ['a view', 'CREATE VIEW by_hand AS SELECT id FROM products', 'DROP VIEW by_hand'],
  ['a comment', "COMMENT ON COLUMN products.sku IS 'by hand'", 'COMMENT ON COLUMN products.sku IS NULL'],
])('is not %s that no entity declares, as a migration may make it by hand', async (_name, made, dropped) => {
  await byHand('a-db', made);
  expect(await drift('a-db')).toEqual(clean);
  await byHand('a-db', dropped);
});

it('is fixed for schema isolation too, several differences at once', async () => {
  await byHand(
    'a-schema',
    'ALTER TABLE products ADD COLUMN colour text, ALTER COLUMN name TYPE varchar(40)',
    'ALTER TABLE products DROP CONSTRAINT products_price_check',
    'DROP INDEX orders_placed_at_idx',
    'DROP TABLE order_lines',
  );
  const { sql } = await drift('a-schema');
  expect(sql.length).toBeGreaterThan(5);
  await byHand('b-schema', ...sql);
  expect(await drift('a-schema')).toEqual(clean);
  expect(await drift('b-schema')).toEqual(clean);
});

it('does not see what another tenant of the same database has', async () => {
  await byHand('a-schema', "COMMENT ON COLUMN products.sku IS 'mine'", 'CREATE TABLE mine (id int)');
  expect(await drift('b-schema')).toEqual(clean);
  await byHand('a-schema', 'COMMENT ON COLUMN products.sku IS NULL', 'DROP TABLE mine');
});

it('leaves no connection to the tenant behind', async () => {
  await drift('a-db');
  const tenant = await app.services.directory.byReference('a-db');
  const left = () =>
    app.services.catalog.use(async (client) => {
      const { rowCount } = await client.query(
        `SELECT FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
        [tenant?.database],
      );
      return rowCount;
    });
  // PostgreSQL still shows a session for a moment after it was terminated.
  await expect.poll(left, { timeout: 10_000 }).toBe(0);
});

it('is reported for the others when one tenant cannot be compared', async () => {
  const tenant = await app.services.directory.byReference('a-db');
  const database = quoteIdentifier(tenant?.database ?? '');
  const admin = (sql: string) => app.services.servers.get('default')?.admin((client) => client.query(sql));
  await admin(`ALTER DATABASE ${database} RENAME TO elsewhere`);
  const { data, errors } = await app.ask('{ tenants { nodes { slug drift { isClean } } } }', app.admin);
  await admin(`ALTER DATABASE elsewhere RENAME TO ${database}`);
  expect(data?.tenants).toEqual({
    nodes: [
      { slug: 'a-db', drift: null },
      { slug: 'a-schema', drift: { isClean: true } },
      { slug: 'b-schema', drift: { isClean: true } },
    ],
  });
  expect(errors).toMatchObject([{ path: ['tenants', 'nodes', 0, 'drift'], extensions: { code: 'CONFLICT' } }]);
});

it('is for platform admins only', async () => {
  const { errors } = await app.ask('{ viewer { tenant { drift { isClean } } } }', await app.tokenFor('a-schema'));
  expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN');
});
