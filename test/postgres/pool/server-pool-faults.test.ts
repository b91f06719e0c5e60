import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import type { PoolClient } from '../../../src/postgres/pool/pool.ts';
import { BackendWatch, backendsOf, expectBackends, settling } from '../../support/backends.ts';
import { pidOf, useBudget } from '../../support/use-budget.ts';

const used = useBudget();
const { start, pool, terminate, settlesTo } = used;
const wrongPassword = () => pool({ connection: { ...used.postgres.connection, password: 'wrong' } });

describe('a connection that comes back', () => {
  it.each([
    ['inside a transaction', async (client: PoolClient) => void (await client.query('BEGIN'))],
    ['inside one that failed', (client) => client.query('BEGIN; SELECT 1 / 0').catch(() => undefined)],
    ['before it has answered that a transaction is open', async (client) => void client.query('BEGIN')],
    ['before it has answered all of several statements', async (client) => void client.query('SELECT 1; BEGIN')],
  ] satisfies [string, (client: PoolClient) => Promise<unknown>][])('%s is closed', async (_name, leave) => {
    start({ max: 1 });
    const mine = pool();
    const client = await mine.connect();
    const pid = await pidOf(client);
    const next = mine.connect();
    await leave(client);
    client.release();
    expect(await pidOf(await next)).not.toBe(pid);
    expect(await backendsOf(used.postgres)).not.toContain(pid);
  });

  it('after an error outside of any transaction is kept', async () => {
    start();
    const mine = pool();
    const client = await mine.connect();
    const pid = await pidOf(client);
    await expect(client.query('SELECT 1 / 0')).rejects.toThrow('division by zero');
    client.release();
    await settlesTo({ idle: 1 });
    expect(await mine.use(pidOf)).toBe(pid);
  });

  it('while it is busy is closed, and what it does is cancelled', async () => {
    start({ max: 1 });
    await using watch = await BackendWatch.start(used.postgres.connection);
    for (const destroy of [false, true]) {
      const client = await pool().connect();
      const sleeping = client.query('SELECT pg_sleep(600)');
      client.release(destroy);
      await expect(sleeping).rejects.toThrow('canceling statement due to user request');
      expect(await pool().use(pidOf)).toEqual(expect.any(Number));
    }
    expect(await watch.peak()).toBe(1);
  });

  it('counts once, even when it is released twice', async () => {
    start();
    const client = await pool().connect();
    client.release();
    client.release();
    client.release(true);
    expect(used.budget.stats).toEqual({ open: 1, idle: 1, waiting: 0 });
  });

  it('is closed when the work that uses it fails', async () => {
    start();
    const failing = pool().use(async (client) => {
      await client.query('SET search_path = nowhere');
      throw new Error('no more');
    });
    await expect(failing).rejects.toThrow('no more');
    await expectBackends(used.postgres, []);
  });
});

describe('a connection that PostgreSQL ends', () => {
  it('while it is idle is forgotten', async () => {
    start();
    const mine = pool();
    const pid = await mine.use(pidOf);
    await terminate(pid);
    await settlesTo({ open: 0, idle: 0 });
    expect(await mine.use(pidOf)).not.toBe(pid);
  });

  it('while it is in use gives its place to the next one, even if its user never gives it back', async () => {
    start({ max: 1 });
    await using watch = await BackendWatch.start(used.postgres.connection);
    const client = await pool().connect();
    const ended = expect(client.query('SELECT pg_sleep(600)')).rejects.toMatchObject({ code: '57P01' });
    const next = pool().connect();
    await terminate(
      await vi.waitFor(async () => (await backendsOf(used.postgres))[0] ?? expect.unreachable(), settling),
    );
    await ended;
    const other = await next;
    client.release();
    client.release(true);
    expect(used.budget.stats).toEqual({ open: 1, idle: 0, waiting: 0 });
    expect(await pidOf(other)).toEqual(expect.any(Number));
    expect(await watch.peak()).toBe(1);
  });
});

describe('a connection that cannot be opened', () => {
  it('gives its place to those who wait behind it', async () => {
    start({ max: 1 });
    const held = await pool().connect();
    const results = Promise.allSettled([wrongPassword().connect(), wrongPassword().connect(), pool().use(pidOf)]);
    held.release();
    expect(await results).toMatchObject([
      { status: 'rejected', reason: { code: '28P01' } },
      { status: 'rejected', reason: { code: '28P01' } },
      { status: 'fulfilled' },
    ]);
    expect(used.budget.stats).toMatchObject({ open: 1, idle: 1, waiting: 0 });
  });

  it('costs the idle connection that made room for it, and no more', async () => {
    start({ max: 2 });
    const [a, b] = [pool(), pool()];
    await a.use(pidOf);
    const pid = await b.use(pidOf);
    await expect(wrongPassword().connect()).rejects.toMatchObject({ code: '28P01' });
    expect(used.budget.stats).toEqual({ open: 1, idle: 1, waiting: 0 });
    expect(await b.use(pidOf)).toBe(pid);
    await Promise.all([a.use(pidOf), b.use(pidOf)]);
    expect(used.budget.stats).toEqual({ open: 2, idle: 2, waiting: 0 });
  });

  it('since nobody listens there gives its place back', async () => {
    start({ max: 1 });
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    const port = typeof address === 'object' ? address?.port : undefined;
    const nobody = pool({ connection: { ...used.postgres.connection, port: port ?? 0 } });
    await expect(nobody.connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await pool().use(pidOf)).toEqual(expect.any(Number));
  });

  it('since the server is silent gives its place back', async () => {
    start({ max: 1 });
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const silent = pool({ connection: { ...used.postgres.connection, port, connectionTimeoutMillis: 100 } });
    await expect(silent.connect()).rejects.toThrow(/timeout/);
    expect(await pool().use(pidOf)).toEqual(expect.any(Number));
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

describe('a connection that takes long to be closed', () => {
  it('does not keep a tenant waiting whom its place could not help, when another can make room', async () => {
    // Sooner than a goodbye is given up that is never answered.
    start({ max: 3, reserved: 1, waitMs: 2_000 });
    const sockets = new Set<Socket>();
    const deaf = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connect(used.postgres.connection.port ?? 0, '127.0.0.1');
      client.pipe(upstream);
      upstream.pipe(client, { end: false });
      sockets.add(client);
    });
    await once(deaf.listen(0, '127.0.0.1'), 'listening');
    const address = deaf.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const system = pool({ priority: 'system', connection: { ...used.postgres.connection, port } });
    await pool().use(pidOf);
    await pool().use(pidOf);
    const leaving = await system.connect();
    leaving.release(true);
    expect(used.budget.stats).toEqual({ open: 3, idle: 2, waiting: 0 });
    expect(await pool().use(pidOf)).toEqual(expect.any(Number));
    for (const socket of sockets) socket.destroy();
    deaf.close();
  });
});

describe('a connection on which PostgreSQL says nothing', () => {
  it('is lost while it is asked something, and leaves its place to the next caller', async () => {
    start({ max: 1 });
    const mine = pool({ silenceMs: 200 });
    const asking = mine.use((client) => client.query('SELECT pg_sleep(3600)'));
    await expect(asking).rejects.toThrow('Connection terminated');
    expect(await mine.use(pidOf)).toBeGreaterThan(0);
  });

  it('is kept while it is idle, however often', async () => {
    start();
    const mine = pool({ silenceMs: 100 });
    const pid = await mine.use(pidOf);
    for (const ms of [300, 300]) {
      // Silence is what is tested; what it must not do shows only when it is over.
      await used.postgres.rows('SELECT pg_sleep($1)', [ms / 1000]);
      expect(await mine.use(pidOf)).toBe(pid);
    }
  });
});
