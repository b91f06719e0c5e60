import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackendWatch, backendsOf, expectBackends, settling } from '../../support/backends.ts';
import { pidOf, useBudget } from '../../support/use-budget.ts';

const used = useBudget();
const { start, pool } = used;
beforeEach(() => {
  // Only the clock: what waits for a condition goes on in real time.
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Queues callers in this order. Returns the names of those that have acquired a connection so far. */
function queue(pools: Record<string, ReturnType<typeof pool>>) {
  const served: string[] = [];
  const clients = Object.entries(pools).map(async ([name, each]) => {
    const client = await each.connect();
    served.push(name);
    return client;
  });
  // Those who still wait at the end of a test are refused then.
  Promise.allSettled(clients);
  return { served, clients };
}

describe('the limit', () => {
  it('holds for any number of pools used at once, and all of it is used', async () => {
    start({ max: 5 });
    const pools = Array.from({ length: 12 }, () => pool());
    await using watch = await BackendWatch.start(used.postgres.connection);
    let highest = 0;
    await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        await pools[index % pools.length]?.use((client) => {
          highest = Math.max(highest, used.budget.stats.open);
          return client.query('SELECT pg_sleep(0.002)');
        });
      }),
    );
    expect(highest).toBe(5);
    expect(await watch.peak()).toBe(5);
    expect(used.budget.stats.waiting).toBe(0);
  });

  it('holds for a single pool', async () => {
    start({ max: 3 });
    const small = pool({ max: 1 });
    const first = await small.connect();
    const { served, clients } = queue({ second: small, other: pool() });
    await clients[1];
    expect(served).toEqual(['other']);
    first.release();
    await clients[0];
    expect(served).toEqual(['other', 'second']);
  });

  it('leaves the reserved slots to system pools', async () => {
    start({ max: 3, reserved: 1 });
    await pool().connect();
    const held = await pool().connect();
    const { served, clients } = queue({ tenant: pool(), system: pool({ priority: 'system' }) });
    const system = await clients[1];
    expect(served).toEqual(['system']);
    // The place of a system connection, even an idle one, is none for a tenant.
    system?.release();
    expect(used.budget.stats).toEqual({ open: 3, idle: 1, waiting: 1 });
    held.release();
    await clients[0];
    expect(served).toEqual(['system', 'tenant']);
    expect(used.budget.stats).toEqual({ open: 3, idle: 1, waiting: 0 });
  });

  it('lets tenants take no more than their share from idle system pools, even all at once', async () => {
    start({ max: 4, reserved: 2 });
    const system = pool({ priority: 'system', max: 4 });
    for (const client of await Promise.all([1, 2, 3, 4].map(() => system.connect()))) client.release();
    const { served, clients } = queue({ first: pool(), second: pool(), third: pool() });
    await Promise.all(clients.slice(0, 2));
    expect(served.toSorted()).toEqual(['first', 'second']);
    expect(used.budget.stats).toEqual({ open: 4, idle: 2, waiting: 1 });
    (await clients[0])?.release();
    await clients[2];
    expect(served.at(-1)).toBe('third');
  });
});

describe('work that holds a connection while it waits for another one', () => {
  it('leaves slots to the pools for which it may wait', async () => {
    start({ max: 5, reserved: 3 });
    // One listens all the time.
    await pool({ priority: 'system' }).connect();
    const admin = pool({ priority: 'admin', max: 5 });
    const { served } = queue({ first: admin, second: admin, third: admin });
    await vi.waitFor(() => expect(served.toSorted()).toEqual(['first', 'second']), settling);
    const others = queue({ one: pool(), two: pool(), catalog: pool({ priority: 'system' }) });
    await vi.waitFor(() => expect(others.served.toSorted()).toEqual(['catalog', 'one']), settling);
    expect(used.budget.stats).toEqual({ open: 5, idle: 0, waiting: 2 });
  });

  it('takes no slot of an idle connection that others may need', async () => {
    start({ max: 4, reserved: 3 });
    const system = pool({ priority: 'system', max: 4 });
    const admin = pool({ priority: 'admin', max: 4 });
    for (const client of await Promise.all([1, 2, 3].map(() => system.connect()))) client.release();
    const { served, clients } = queue({ first: admin, second: admin });
    const first = await clients[0];
    expect(served).toEqual(['first']);
    expect(used.budget.stats).toEqual({ open: 4, idle: 3, waiting: 1 });
    first?.release();
    await clients[1];
    expect(used.budget.stats).toEqual({ open: 4, idle: 3, waiting: 0 });
  });
});

describe('making room', () => {
  it('closes the connection that has been idle longest, whichever pool has it', async () => {
    start({ max: 3 });
    const [a, b, c, d, e] = [pool(), pool(), pool(), pool(), pool()];
    const [, pidOfB, pidOfC] = [await a.use(pidOf), await b.use(pidOf), await c.use(pidOf)];
    const pidOfD = await d.use(pidOf);
    expect((await backendsOf(used.postgres)).toSorted()).toEqual([pidOfB, pidOfC, pidOfD].toSorted());
    expect(await b.use(pidOf)).toBe(pidOfB);
    const pidOfE = await e.use(pidOf);
    expect((await backendsOf(used.postgres)).toSorted()).toEqual([pidOfB, pidOfD, pidOfE].toSorted());
  });

  it('closes only as many as there are callers', async () => {
    start({ max: 4 });
    const idle = pool({ max: 4 });
    for (const client of await Promise.all([1, 2, 3, 4].map(() => idle.connect()))) client.release();
    const { clients } = queue({ first: pool(), second: pool() });
    await Promise.all(clients);
    expect(used.budget.stats).toEqual({ open: 4, idle: 2, waiting: 0 });
  });

  it('reuses a pool’s most recently used idle connection, and opens none', async () => {
    start({ max: 3 });
    const mine = pool();
    const [first, second] = [await mine.connect(), await mine.connect()];
    const pids = [await pidOf(first), await pidOf(second)];
    await pool().use(pidOf);
    second.release();
    first.release();
    expect(await mine.use(pidOf)).toBe(pids[0]);
    const both = await Promise.all([mine.connect(), mine.connect()]);
    expect(await Promise.all(both.map(pidOf))).toEqual(pids);
    expect(used.budget.stats).toEqual({ open: 3, idle: 1, waiting: 0 });
  });
});

describe('waiting', () => {
  it('serves callers in the order in which they came', async () => {
    start({ max: 1 });
    const held = await pool().connect();
    const { served, clients } = queue({ one: pool(), two: pool(), three: pool(), four: pool() });
    expect(used.budget.stats.waiting).toBe(4);
    held.release();
    for (const waiting of clients) (await waiting).release();
    expect(served).toEqual(['one', 'two', 'three', 'four']);
  });

  it('prefers a caller who can use the connection as it is, unless another has waited long', async () => {
    start({ max: 1 });
    const mine = pool();
    const held = await mine.connect();
    const first = queue({ other: pool(), mine });
    held.release();
    const second = await first.clients[1];
    expect(first.served).toEqual(['mine']);
    vi.setSystemTime(Date.now() + 200);
    const { served, clients } = queue({ again: mine });
    second?.release();
    (await first.clients[0])?.release();
    await clients[0];
    expect([...first.served, ...served]).toEqual(['mine', 'other', 'again']);
  });

  it('does not hold up those behind a caller who cannot be served yet', async () => {
    start({ max: 2 });
    const full = pool({ max: 1 });
    await full.connect();
    const { served, clients } = queue({ full, other: pool() });
    await clients[1];
    expect(served).toEqual(['other']);
  });

  it('ends with SERVER_BUSY, and the next one is served', async () => {
    start({ max: 1, waitMs: 50 });
    const held = await pool().connect();
    await expect(pool().connect()).rejects.toMatchObject({
      code: 'SERVER_BUSY',
      message: expect.stringContaining('within 50 ms'),
      details: { retryAfterMs: expect.any(Number) },
    });
    expect(used.budget.stats.waiting).toBe(0);
    held.release();
    expect(await pool().use(pidOf)).toEqual(expect.any(Number));
  });
});

describe('keeping', () => {
  it('replaces a connection that has become too old', async () => {
    start({ recycleMs: 1000 });
    const mine = pool();
    const first = await mine.use(pidOf);
    vi.setSystemTime(Date.now() + 999);
    expect(await mine.use(pidOf)).toBe(first);
    vi.setSystemTime(Date.now() + 1);
    const second = await mine.use(pidOf);
    expect(second).not.toBe(first);
    // One that grows too old in use is closed when it comes back.
    await mine.use(async () => vi.setSystemTime(Date.now() + 1000));
    await expectBackends(used.postgres, []);
  });

  it('closes connections that have been idle for long', async () => {
    start({ idleMs: 50 });
    const mine = pool();
    const held = await mine.connect();
    await pool().use(pidOf);
    vi.setSystemTime(Date.now() + 60);
    await vi.waitFor(() => expect(used.budget.stats.open).toBe(1), settling);
    expect(await backendsOf(used.postgres)).toEqual([await pidOf(held)]);
  });

  it('closes at once the connections that a pool does not keep', async () => {
    start({});
    await pool({ keepIdle: false }).use(pidOf);
    await expectBackends(used.postgres, []);
  });
});
