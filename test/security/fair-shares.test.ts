import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpClient } from '../support/http-client.ts';
import { startTestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';
import { startWatchedServer, type WatchedServer } from '../support/watched-server.ts';

const list = '{ products(first: 10) { nodes { sku } } }';
const times = (count: number, text: string) =>
  `{ ${Array.from({ length: count }, (_, index) => `a${index}: ${text}`).join(' ')} }`;
/** As costly as an operation may be. */
const costliest = times(18, 'products(first: 100) { nodes { id sku name price } }');

/** What a query may take beside an attack, in milliseconds: on an idle machine it takes a few, without shares 15,000. */
const SOON = 6_000;

describe('while a tenant, or strangers, send as many requests as they can', () => {
  let postgres: TestPostgres;
  let server: WatchedServer;
  let client: HttpClient;
  let attacker: TestTenant;
  let victim: TestTenant;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    await using app = await startTestApp(postgres.env);
    const [first, second] = await createTenants(app, ['DATABASE', 'SCHEMA']);
    attacker = first ?? expect.unreachable();
    victim = second ?? expect.unreachable();
    await app.services.tenants.pool(attacker.row).use((own) =>
      own.query(`INSERT INTO products (sku, name, price, currency, stock)
        SELECT 'sku-' || n, 'Product ' || n, n, 'EUR', 1 FROM generate_series(1, 200) n`),
    );
    server = await startWatchedServer({
      ...postgres.env,
      NODE_ENV: 'test',
      LOG_LEVEL: 'error',
      TENANT_COST_PER_SECOND: '5000',
    });
    client = await server.listening();
  }, 180_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  /** Asks as a member of the other tenant until the work is done; gives the longest time that it took. */
  async function slowestBeside(work: Promise<unknown>): Promise<number> {
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    let slowest = 0;
    while (!isOver) {
      const start = performance.now();
      expect(await client.ask(list, victim.member)).toEqual({ data: { products: { nodes: [] } } });
      slowest = Math.max(slowest, performance.now() - start);
    }
    await over;
    return slowest;
  }

  it('a member of another tenant is answered soon, and the attacker is told when to retry', async () => {
    await client.ask(list, victim.member);
    const attack = Promise.all(Array.from({ length: 40 }, () => client.post({ query: costliest }, attacker.member)));
    expect(await slowestBeside(attack)).toBeLessThan(SOON);
    // Otherwise something else has stopped the attack.
    expect((await attack).filter(({ code }) => code !== undefined && code !== 'RATE_LIMITED')).toEqual([]);
    const refused = (await attack).filter(({ code }) => code !== undefined);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, code, headers, body } of refused) {
      expect({ status, code }).toEqual({ status: 429, code: 'RATE_LIMITED' });
      expect(body.errors?.[0]?.extensions.retryAfterMs).toBeGreaterThanOrEqual(1000);
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
    }
  });

  it('strangers without a token delay no member', async () => {
    const query = times(24, 'currencies { code name }');
    const attack = Promise.all(Array.from({ length: 150 }, () => client.post({ query })));
    expect(await slowestBeside(attack)).toBeLessThan(SOON);
    const codes = new Set((await attack).map(({ code }) => code));
    expect([...codes].filter((code) => code !== undefined && code !== 'RATE_LIMITED')).toEqual([]);
  });

  it('a page that asks for twenty things at once gets them all', async () => {
    const beside = Promise.all(Array.from({ length: 5 }, () => client.post({ query: costliest }, attacker.member)));
    const page = Promise.all(Array.from({ length: 20 }, () => client.ask(list, victim.member)));
    expect((await page).filter(({ errors }) => errors)).toEqual([]);
    await beside;
  });
});
