import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type BudgetOptions, ConnectionBudget } from '../../src/postgres/connection-budget.ts';
import type { LaneOptions, LentClient } from '../../src/postgres/lane.ts';
import { BackendWatch, backendsOf, expectBackends, settling } from '../support/backends.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

let postgres: TestPostgres;
let budget: ConnectionBudget;
beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());
afterEach(async () => {
  await budget.close();
  expect(budget.stats).toEqual({ open: 0, idle: 0, waiting: 0 });
  await expectBackends(postgres, []);
});

function start(options: Partial<BudgetOptions> = {}): void {
  budget = new ConnectionBudget({
    max: 3,
    reserved: 0,
    waitMs: 20_000,
    recycleMs: 3_600_000,
    idleMs: 60_000,
    ...options,
  });
}

function lane(options: Partial<LaneOptions> = {}) {
  return budget.lane({ connection: postgres.connection, max: 3, priority: 'tenant', ...options });
}

const wrongPassword = () => lane({ connection: { ...postgres.connection, password: 'wrong' } });

async function pidOf(client: Pick<LentClient, 'query'>): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

function terminate(pid: number): Promise<unknown> {
  return postgres.rows('SELECT pg_terminate_backend($1)', [pid]);
}

function settlesTo(stats: Partial<ConnectionBudget['stats']>): Promise<void> {
  return vi.waitFor(() => expect(budget.stats).toMatchObject(stats), settling);
}

describe('a connection that comes back', () => {
  it.each([
    ['inside a transaction', async (client: LentClient) => void (await client.query('BEGIN'))],
    ['inside one that failed', (client) => client.query('BEGIN; SELECT 1 / 0').catch(() => undefined)],
    ['before it has answered that a transaction is open', async (client) => void client.query('BEGIN')],
    ['before it has answered all of several statements', async (client) => void client.query('SELECT 1; BEGIN')],
  ] satisfies [string, (client: LentClient) => Promise<unknown>][])('%s is closed', async (_name, leave) => {
    start({ max: 1 });
    const mine = lane();
    const client = await mine.connect();
    const pid = await pidOf(client);
    const next = mine.connect();
    await leave(client);
    client.release();
    expect(await pidOf(await next)).not.toBe(pid);
    expect(await backendsOf(postgres)).not.toContain(pid);
  });

  it('after an error outside of any transaction is kept', async () => {
    start();
    const mine = lane();
    const client = await mine.connect();
    const pid = await pidOf(client);
    await expect(client.query('SELECT 1 / 0')).rejects.toThrow('division by zero');
    client.release();
    await settlesTo({ idle: 1 });
    expect(await mine.use(pidOf)).toBe(pid);
  });

  it('while it is busy is closed, and what it does is cancelled', async () => {
    start({ max: 1 });
    await using watch = await BackendWatch.start(postgres.connection);
    for (const destroy of [false, true]) {
      const client = await lane().connect();
      const sleeping = client.query('SELECT pg_sleep(600)');
      client.release(destroy);
      await expect(sleeping).rejects.toThrow('canceling statement due to user request');
      expect(await lane().use(pidOf)).toEqual(expect.any(Number));
    }
    expect(await watch.peak()).toBe(1);
  });

  it('counts once, even when it is given back twice', async () => {
    start();
    const client = await lane().connect();
    client.release();
    client.release();
    client.release(true);
    expect(budget.stats).toEqual({ open: 1, idle: 1, waiting: 0 });
  });

  it('is closed when the work for which it was lent fails', async () => {
    start();
    const failing = lane().use(async (client) => {
      await client.query('SET search_path = nowhere');
      throw new Error('no more');
    });
    await expect(failing).rejects.toThrow('no more');
    await expectBackends(postgres, []);
  });
});

describe('a connection that PostgreSQL ends', () => {
  it('while it is idle is forgotten', async () => {
    start();
    const mine = lane();
    const pid = await mine.use(pidOf);
    await terminate(pid);
    await settlesTo({ open: 0, idle: 0 });
    expect(await mine.use(pidOf)).not.toBe(pid);
  });

  it('while it is in use gives its place to the next one, even if its user never gives it back', async () => {
    start({ max: 1 });
    await using watch = await BackendWatch.start(postgres.connection);
    const client = await lane().connect();
    const sleeping = client.query('SELECT pg_sleep(600)');
    const next = lane().connect();
    await terminate(await vi.waitFor(async () => (await backendsOf(postgres))[0] ?? expect.unreachable(), settling));
    await expect(sleeping).rejects.toMatchObject({ code: '57P01' });
    const other = await next;
    client.release();
    client.release(true);
    expect(budget.stats).toEqual({ open: 1, idle: 0, waiting: 0 });
    expect(await pidOf(other)).toEqual(expect.any(Number));
    expect(await watch.peak()).toBe(1);
  });
});

describe('a connection that cannot be opened', () => {
  it('gives its place to those who wait behind it', async () => {
    start({ max: 1 });
    const held = await lane().connect();
    const results = Promise.allSettled([wrongPassword().connect(), wrongPassword().connect(), lane().use(pidOf)]);
    held.release();
    expect(await results).toMatchObject([
      { status: 'rejected', reason: { code: '28P01' } },
      { status: 'rejected', reason: { code: '28P01' } },
      { status: 'fulfilled' },
    ]);
    expect(budget.stats).toMatchObject({ open: 1, idle: 1, waiting: 0 });
  });

  it('costs the idle connection that made room for it, and no more', async () => {
    start({ max: 2 });
    const [a, b] = [lane(), lane()];
    await a.use(pidOf);
    const pid = await b.use(pidOf);
    await expect(wrongPassword().connect()).rejects.toMatchObject({ code: '28P01' });
    expect(budget.stats).toEqual({ open: 1, idle: 1, waiting: 0 });
    expect(await b.use(pidOf)).toBe(pid);
    await Promise.all([a.use(pidOf), b.use(pidOf)]);
    expect(budget.stats).toEqual({ open: 2, idle: 2, waiting: 0 });
  });

  it('since nobody listens there gives its place back', async () => {
    start({ max: 1 });
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    const port = typeof address === 'object' ? address?.port : undefined;
    const nobody = lane({ connection: { ...postgres.connection, port: port ?? 0 } });
    await expect(nobody.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await lane().use(pidOf)).toEqual(expect.any(Number));
  });

  it('since the server is silent gives its place back', async () => {
    start({ max: 1 });
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const silent = lane({ connection: { ...postgres.connection, port, connectionTimeoutMillis: 100 } });
    await expect(silent.connect()).rejects.toThrow(/timeout/);
    expect(await lane().use(pidOf)).toEqual(expect.any(Number));
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

describe('the end of a lane', () => {
  it('closes its connections, those in use when they come back', async () => {
    start({ max: 5 });
    const [mine, other] = [lane({ max: 4 }), lane()];
    const [held, ...rest] = await Promise.all([mine.connect(), mine.connect(), mine.connect(), mine.connect()]);
    const [pid, kept] = [await pidOf(held), await other.use(pidOf)];
    for (const client of rest) client.release();
    await mine.end();
    expect((await backendsOf(postgres)).toSorted()).toEqual([kept, pid].toSorted());
    await expect(mine.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' });
    held.release();
    await expectBackends(postgres, [kept]);
    expect(await other.use(pidOf)).toBe(kept);
  });

  it('refuses those who wait for one of its connections, and nobody else', async () => {
    start({ max: 1 });
    const [mine, other] = [lane(), lane()];
    const held = await other.connect();
    const [refused, served] = [expect(mine.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' }), other.connect()];
    await mine.end();
    await refused;
    expect(budget.stats.waiting).toBe(1);
    held.release();
    expect(await served).toBe(held);
  });

  it('leaves nothing of a connection that is being opened', async () => {
    start();
    const mine = lane();
    const opening = expect(mine.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' });
    await mine.end();
    await opening;
    expect(await backendsOf(postgres)).toEqual([]);
  });
});

describe('the end of a budget', () => {
  it('closes what is idle, in use, busy or being opened, and refuses those who wait', async () => {
    start({ max: 4 });
    const [idle, inUse, busy] = [lane(), lane(), lane()];
    await idle.use(pidOf);
    await inUse.connect();
    const sleeping = (await busy.connect()).query('SELECT pg_sleep(600)');
    const results = Promise.allSettled([sleeping, lane().connect(), lane().connect(), lane().connect()]);
    await budget.close();
    expect(await backendsOf(postgres)).toEqual([]);
    const refused = { status: 'rejected', reason: { code: 'SERVER_BUSY' } };
    expect(await results).toMatchObject([{ status: 'rejected' }, refused, refused, refused]);
    await expect(idle.connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' });
  });
});

describe('a connection on which PostgreSQL says nothing', () => {
  it('is lost while it is asked something, and leaves its place to the next caller', async () => {
    start({ max: 1 });
    const mine = lane({ silenceMs: 200 });
    const asking = mine.use((client) => client.query('SELECT pg_sleep(3600)'));
    await expect(asking).rejects.toThrow('Connection terminated');
    expect(await mine.use(pidOf)).toBeGreaterThan(0);
  });

  it('is kept while it is idle, however often', async () => {
    start();
    const mine = lane({ silenceMs: 100 });
    const pid = await mine.use(pidOf);
    for (const ms of [300, 300]) {
      // Silence is what is tested; what it must not do shows only when it is over.
      await postgres.rows('SELECT pg_sleep($1)', [ms / 1000]);
      expect(await mine.use(pidOf)).toBe(pid);
    }
  });
});
