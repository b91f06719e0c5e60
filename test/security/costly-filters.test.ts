import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { startWatchedServer, type WatchedServer } from '../support/watched-server.ts';

/** For how long one request may stop all others on a busy machine, in milliseconds. */
const MAX_DELAY_MS = 1500;
const MAX_HEAP_BYTES = 300e6;
const TIMEOUT_MS = 1000;

describe('a filter or an order that costs much', () => {
  let postgres: TestPostgres;
  let server: WatchedServer;
  let client: HttpClient;
  let member: Record<string, string>;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    const folder = await mkdtemp(path.join(tmpdir(), 'costly-filters-'));
    const installation = ownInstallation(postgres, folder);
    server = await startWatchedServer({ ...installation, TENANT_STATEMENT_TIMEOUT_MS: String(TIMEOUT_MS) }, 512);
    client = await server.listening();
    const admin = server.admin();
    await client.ask('mutation { createTenant(input: { slug: "acme", name: "x" }) { id } }', admin);
    member = { ...admin, 'x-tenant': 'acme' };
    const [tenant] = await postgres.rows<{ database: string }>(
      'SELECT database FROM tenants',
      [],
      installation.AUTH_DATABASE,
    );
    await postgres.rows(
      `INSERT INTO products (sku, name, price, currency, stock)
       SELECT 'sku-' || n, repeat('abcdefghij', 100) || n, 1, 'EUR', 1 FROM generate_series(1, 20000) n`,
      [],
      tenant?.database,
    );
    await server.vitals();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  const query = `query ($filter: ProductFilter, $orderBy: [ProductOrderBy!]) {
    products(filter: $filter, orderBy: $orderBy) { totalCount nodes { sku } } }`;
  const nested = (levels: number) => {
    let filter: object = { sku: { eq: 'x' } };
    for (let level = 0; level < levels; level += 1) filter = { not: filter };
    return filter;
  };

  it.each<[string, object]>([
    ['a filter that is nested a thousand times', { filter: nested(1000) }],
    ['a filter of a thousand conditions', { filter: { or: Array(1000).fill({ sku: { eq: 'x' } }) } }],
    [
      'a filter of fifty lists of a hundred conditions',
      { filter: { or: Array(50).fill({ and: Array(90).fill({ sku: { eq: 'x' } }) }) } },
    ],
    ['a thousand values', { filter: { sku: { in: Array(1000).fill('x') } } }],
    ['a pattern of 100,000 characters', { filter: { name: { contains: '%_'.repeat(50_000) } } }],
    ['a hundred columns of an order', { orderBy: Array(100).fill({ name: 'ASC' }) }],
  ])('is refused at once: %s', async (_name, variables) => {
    const { body } = await client.post({ query, variables }, member);
    expect(body.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    const { maxDelayMs, heapUsedBytes } = await server.vitals();
    expect(maxDelayMs).toBeLessThan(MAX_DELAY_MS);
    expect(heapUsedBytes).toBeLessThan(MAX_HEAP_BYTES);
  });

  it('is cancelled by the database after its time, while others are served', async () => {
    // Fifty scans of 20 MB, many at once.
    const filter = {
      or: Array.from({ length: 50 }, (_, index) => ({ name: { contains: `${'abcdefghij'.repeat(99)}j${index}` } })),
    };
    const aliases = Array.from(
      { length: 20 },
      (_, index) => `a${index}: products(filter: $filter, orderBy: [{ name: DESC }]) { totalCount }`,
    );
    const heavy = `query ($filter: ProductFilter) { ${aliases.join(' ')} }`;
    const start = performance.now();
    const costly = client.post({ query: heavy, variables: { filter } }, member);
    await client.get('/health/live');
    const { body } = await costly;
    expect(body.errors?.map(({ extensions }) => extensions.code) ?? []).toContain('SERVER_BUSY');
    // With three connections at a time, each statement ends by its own timeout.
    expect(performance.now() - start).toBeLessThan(20 * TIMEOUT_MS);
    expect((await server.vitals()).maxDelayMs).toBeLessThan(MAX_DELAY_MS);
    const { data } = await client.ask('{ products(first: 1) { nodes { sku } } }', member);
    expect(data).toMatchObject({ products: { nodes: [{}] } });
  });

  it('is not worth keeping: hundreds of different selections take little memory', async () => {
    for (let round = 0; round < 300; round += 1) {
      const aliases = Array.from({ length: 10 }, (_, index) => `x${round}_${index}: sku`).join(' ');
      const text = `query A${round} { products(first: ${(round % 100) + 1}, filter: { sku: { eq: "${round}" } }) { nodes { ${aliases} } } }`;
      const { body } = await client.post({ query: text }, member);
      expect(body.errors).toBeUndefined();
    }
    expect((await server.vitals()).heapUsedBytes).toBeLessThan(MAX_HEAP_BYTES);
  });
});
