import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loginText, personOf, registerText } from '../support/accounts.ts';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { startWatchedServer, type WatchedServer } from '../support/watched-server.ts';

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');

const MEMBERS = 100;
const ORDERS = 100;
const LINES = 100;

/** A busy machine makes everything several times slower; what these guard against took seconds, and a gigabyte. */
const MAX_DELAY_MS = 3000;
const MAX_DELAY_OF_REFUSAL_MS = 1000;
const MAX_HEAP_BYTES = 200e6;

describe('a member of a tenant with 100 members, and 100 orders of 100 lines each', () => {
  let folder: string;
  let postgres: TestPostgres;
  let server: WatchedServer;
  let client: HttpClient;
  let headers: Record<string, string>;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-answers-'));
    postgres = await startTestPostgres();
    const installation = ownInstallation(postgres, folder);
    server = await startWatchedServer(installation, 512);
    client = await server.listening();
    await client.ask('mutation { createTenant(input: { slug: "acme", name: "x" }) { id } }', server.admin());
    const auth = installation.AUTH_DATABASE;
    const [tenant] = await postgres.rows<{ database: string }>('SELECT database FROM tenants', [], auth);
    personOf(await client.ask(registerText('one@example.com')));
    await postgres.rows(
      `INSERT INTO users (email, name) SELECT 'user-' || n || '@example.com', 'Somebody' FROM generate_series(2, ${MEMBERS}) n`,
      [],
      auth,
    );
    await postgres.rows(
      `INSERT INTO memberships (user_id, tenant_id, role) SELECT u.id, t.id, 'OWNER' FROM users u, tenants t`,
      [],
      auth,
    );
    ({ headers } = personOf(await client.ask(loginText('one@example.com', undefined, 'acme'))));
    await postgres.rows(seed, [], tenant?.database);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const seed = `
    INSERT INTO products (sku, name, price, currency, stock)
      SELECT 'sku-' || n, repeat('product ', 20) || n, 1, 'EUR', 1 FROM generate_series(1, ${LINES}) n;
    INSERT INTO orders (total, currency) SELECT 100, 'EUR' FROM generate_series(1, ${ORDERS});
    INSERT INTO order_lines (order_id, position, product_id, quantity, unit_price)
      SELECT o.id, p.position, p.id, 1, 1 FROM orders o,
        (SELECT id, row_number() OVER (ORDER BY sku) AS position FROM products) p;`;

  /** Asks, and says how the server bore it. */
  async function bear(query: string, longestMs: number) {
    await server.vitals();
    const answer = await client.post({ query }, headers);
    const { maxDelayMs, heapUsedBytes } = await server.vitals();
    expect(maxDelayMs).toBeLessThan(longestMs);
    expect(heapUsedBytes).toBeLessThan(MAX_HEAP_BYTES);
    return answer;
  }

  const members = (aliases: number, inside: string) =>
    times(aliases, (index) => `a${index}: members { role tenant { ${inside} } }`);
  const deep = members(8, members(1, 'b: members { role user { id email name } }'));

  it.each([
    ['members three deep, with eight aliases', `{ viewer { tenant { ${deep} } } }`],
    [
      'members in a fragment',
      `{ viewer { tenant { ...A } } } fragment A on Tenant { members { tenant { ...B } } }
      fragment B on Tenant { members { tenant { members { role } } } }`,
    ],
    ['all lines of 100 orders', '{ orders(first: 100) { nodes { lines { quantity product { sku name } } } } }'],
    [
      'orders in aliases',
      `{ ${times(30, (index) => `a${index}: orders(first: 100) { nodes { lines(first: 10) { quantity } } }`)} }`,
    ],
    ['members of roles of members', '{ roles { nodes { members { roles { members { roles { name } } } } } } }'],
  ])('is refused %s, at once', async (_name, query) => {
    const { code, body, text } = await bear(query, MAX_DELAY_OF_REFUSAL_MS);
    expect(code).toBe('BAD_USER_INPUT');
    expect(body.errors?.[0]?.message).toMatch(/^The operation costs \d+; the limit is 20000/);
    expect(text.length).toBeLessThan(1000);
  });

  it.each([
    ['members of members', `{ viewer { tenant { members { tenant { members { role } } } } } }`],
    [
      'members in 20 aliases',
      `{ viewer { tenant { ${times(20, (index) => `a${index}: members { role user { id email name } }`)} } } }`,
    ],
    [
      'a default page of orders with all there is of their lines',
      `{ orders { nodes { id placedAt total currency
        lines { quantity unitPrice product { id sku name price currency stock } } } } }`,
    ],
    ['one number of every line of 100 orders', '{ orders(first: 100) { nodes { lines { quantity } } } }'],
    [
      'the names of products of 100 orders',
      '{ orders(first: 100) { nodes { lines(first: 60) { product { name } } } } }',
    ],
    [
      'products in 30 aliases',
      `{ ${times(30, (index) => `a${index}: products(first: 100) { nodes { id sku name price } }`)} }`,
    ],
    [
      'roles in 30 aliases',
      `{ ${times(30, (index) => `a${index}: roles(first: 3) { nodes { permissions { name } } }`)} }`,
    ],
    ['currencies in 30 aliases', `{ ${times(30, (index) => `a${index}: currencies { code name }`)} }`],
    [
      'the schema in 7 aliases',
      `{ ${times(7, (index) => `a${index}: __schema { types { name description fields { name description args { name description } type { name ofType { name } } } } }`)} }`,
    ],
    ['names of 100 characters', `{ orders(first: 100) { nodes { lines { ${'a'.repeat(100)}: __typename } } } }`],
  ])('gets %s, and holds up nobody', async (_name, query) => {
    const { body, text } = await bear(query, MAX_DELAY_MS);
    expect(body.errors).toBeUndefined();
    expect(text.length).toBeLessThan(6e6);
  });

  it('holds up nobody either with several of the dearest at once', async () => {
    await server.vitals();
    const query = '{ orders(first: 100) { nodes { lines { quantity } } } }';
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.post({ query }, headers)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect((await server.vitals()).heapUsedBytes).toBeLessThan(MAX_HEAP_BYTES * 1.5);
  });
});
