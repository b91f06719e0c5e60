import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { settling } from '../support/backends.ts';
import { captureLog } from '../support/log-lines.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';
import { useServer } from '../support/use-server.ts';

/** How long a statement runs that nobody cancels: longer than anything here may wait. */
const SECONDS = 25;

let resolved = 0;

// What the API has no field for: a statement that is slow, and a mutation that writes before and after one.
builder.queryField('slow', (t) =>
  t.boolean({
    authScopes: { tenantMember: true },
    resolve: async (_root, _args, { tenant }) => {
      resolved += 1;
      await tenant.em.fork().execute(`SELECT pg_sleep(${SECONDS})`);
      return true;
    },
  }),
);
builder.mutationField('writeTwice', (t) =>
  t.boolean({
    authScopes: { tenantMember: true },
    resolve: (_root, _args, { tenant }) =>
      tenant.em.fork().transactional(async (em) => {
        const insert = `INSERT INTO products (sku, name, price, currency, stock) VALUES (?, 'n', 1, 'EUR', 1)`;
        await em.execute(insert, ['first']);
        await em.execute('SELECT pg_sleep(1)');
        await em.execute(insert, ['second']);
        return true;
      }),
  }),
);

describe('requests whose client has gone away', () => {
  const { log, text } = captureLog();
  const used = useServer({}, { log });
  let attacker: TestTenant;
  let victim: TestTenant;
  beforeAll(async () => {
    const [first, second] = await createTenants(used.app, ['DATABASE', 'SCHEMA']);
    attacker = first ?? expect.unreachable();
    victim = second ?? expect.unreachable();
  });

  const list = '{ products(first: 10) { nodes { sku } } }';
  const post = (query: string, { member }: TestTenant, signal?: AbortSignal) =>
    fetch(used.server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...member },
      body: JSON.stringify({ query }),
      ...(signal && { signal }),
    });
  const giveUp = (query: string, ms: number) =>
    expect(post(query, attacker, AbortSignal.timeout(ms))).rejects.toThrow(/abort|timeout/i);
  const activeStatements = async (like: string) => {
    const server = used.app.services.servers.get('default') ?? expect.unreachable();
    return server.admin(async (admin) => {
      const { rows } = await admin.query<{ query: string }>(
        `SELECT query FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()`,
        [like],
      );
      return rows.map(({ query }) => query);
    });
  };

  it('delay nobody, and leave no statement behind', async () => {
    await Promise.all(Array.from({ length: 142 }, () => giveUp('{ slow a: slow b: slow c: slow }', 5)));
    const start = performance.now();
    for (const tenant of [victim, attacker]) {
      expect(await (await post(list, tenant)).json()).toEqual({ data: { products: { nodes: [] } } });
    }
    expect(performance.now() - start).toBeLessThan(8_000);
    await vi.waitFor(async () => expect(await activeStatements('%pg_sleep%')).toEqual([]), settling);
    // No connection is in use or waited for any more.
    const { stats } = used.app.services.servers.get('default') ?? expect.unreachable();
    expect(stats.waiting).toBe(0);
  });

  it('have their statement cancelled while it runs, and resolve no further fields', async () => {
    resolved = 0;
    const stop = new AbortController();
    const asked = post('{ slow }', attacker, stop.signal).catch(() => undefined);
    await vi.waitFor(async () => expect(await activeStatements('%pg_sleep%')).toHaveLength(1), settling);
    stop.abort();
    await asked;
    await vi.waitFor(async () => expect(await activeStatements('%pg_sleep%')).toEqual([]), settling);
    expect(resolved).toBe(1);
  });

  it('leave the queue: more of them than may run at once do not delay others of their tenant', async () => {
    const stop = new AbortController();
    const asked = Array.from({ length: 30 }, () => post('{ slow }', attacker, stop.signal).catch(() => undefined));
    await vi.waitFor(async () => expect((await activeStatements('%pg_sleep%')).length).toBeGreaterThan(1), settling);
    stop.abort();
    await Promise.all(asked);
    expect((await (await post(list, attacker)).json()).errors).toBeUndefined();
  });

  it('finish the mutation that has begun', async () => {
    await giveUp('mutation { first: writeTwice second: writeTwice }', 500);
    const count = async () => (await used.app.ask('{ products { totalCount } }', attacker.member)).data;
    await vi.waitFor(async () => expect(await count()).toEqual({ products: { totalCount: 2 } }), settling);
    // The second field would have failed, and changed nothing: it is not even begun.
    await sleep(500);
    expect(await activeStatements('%pg_sleep%')).toEqual([]);
  });

  it('are not errors in the log: a cancelled statement is not a fault of the server', () => {
    expect(text()).not.toContain('"level":50');
  });
});
