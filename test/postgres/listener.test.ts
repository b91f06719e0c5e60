import { setImmediate as nextTurn } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Listener } from '../../src/postgres/listener.ts';
import type { Pool } from '../../src/postgres/pool/pool.ts';
import { ServerPool } from '../../src/postgres/pool/server-pool.ts';
import { lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { backendsOf, expectBackends, settling } from '../support/backends.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

let postgres: TestPostgres;
let budget: ServerPool;
let pool: Pool;
let listener: Listener;
beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());
beforeEach(async () => {
  budget = new ServerPool({ max: 2, reserved: 0, waitMs: 5_000, recycleMs: 3_600_000, idleMs: 60_000 });
  pool = budget.pool({ connection: postgres.connection, max: 1, priority: 'system' });
  listener = new Listener(pool, pino({ level: 'silent' }));
});
afterEach(async () => {
  await listener[Symbol.asyncDispose]();
  await budget.close();
});

function notify(channel: string, payload: string): Promise<unknown> {
  return postgres.rows('SELECT pg_notify($1, $2)', [channel, payload]);
}

/** What a new handler on the channel has been called with. */
function hear(channel: string): (string | undefined)[] {
  const heard: (string | undefined)[] = [];
  listener.on(channel, (payload) => heard.push(payload));
  return heard;
}

/** Sends `payload` repeatedly until it is received, because nothing reports that a LISTEN has taken effect. */
function arrives(heard: readonly (string | undefined)[], channel: string, payload: string): Promise<void> {
  return vi.waitFor(async () => {
    await notify(channel, payload);
    expect(heard).toContain(payload);
  }, settling);
}

async function backend(): Promise<number> {
  const [pid, ...others] = await backendsOf(postgres);
  expect(others).toEqual([]);
  return pid ?? expect.unreachable('the listener has no connection');
}

async function cut(): Promise<void> {
  const pid = await backend();
  await postgres.rows('SELECT pg_terminate_backend($1)', [pid]);
  await vi.waitFor(() => expect(listener.connected).toBe(false), settling);
}

const reconnected = () => vi.waitFor(() => expect(listener.connected).toBe(true), settling);

async function livenessLocks(): Promise<number> {
  const rows = await postgres.rows(
    `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND objsubid = 2 AND granted`,
    [lockKind.alive, listener.instance],
  );
  return rows.length;
}

describe('a listener', () => {
  it('tells each handler what is sent on its channel, until that is taken away', async () => {
    const [before, both] = [hear('Odd "channel"'), hear('b')];
    await listener.start();
    const later = hear('c');
    const stop = listener.on('b', (payload) => both.push(`again ${payload}`));
    await arrives(later, 'c', 'ready');
    await notify('Odd "channel"', 'one');
    await notify('b', 'two');
    await vi.waitFor(() => expect(both).toContain('again two'), settling);
    stop();
    await notify('b', 'three');
    await notify('c', 'end');
    await vi.waitFor(() => expect(later).toContain('end'), settling);
    expect(before).toEqual(['one']);
    expect(both).toEqual(['two', 'again two', 'three']);
  });

  it('tells the others when one handler fails', async () => {
    listener.on('a', () => {
      throw new Error('not today');
    });
    const heard = hear('a');
    await listener.start();
    await notify('a', 'one');
    await vi.waitFor(() => expect(heard).toEqual(['one']), settling);
  });

  it('connects again when its connection is lost, and calls every handler once without payload', async () => {
    const [a, again, b] = [hear('a'), hear('a'), hear('b')];
    await listener.start();
    for (let losses = 1; losses <= 3; losses += 1) {
      await cut();
      await reconnected();
      const gaps = Array.from({ length: losses }, () => undefined);
      expect([a, again, b].map((heard) => heard.filter((payload) => payload === undefined))).toEqual([
        gaps,
        gaps,
        gaps,
      ]);
      await notify('a', `a${losses}`);
      await notify('b', `b${losses}`);
      await vi.waitFor(() => expect(b.at(-1)).toBe(`b${losses}`), settling);
    }
    expect(a).toEqual([undefined, 'a1', undefined, 'a2', undefined, 'a3']);
    expect(again).toEqual(a);
    expect(budget.stats.open).toBe(1);
  });

  it('listens to channels that are added while it is not connected', async () => {
    await listener.start();
    await cut();
    const heard = hear('late');
    await reconnected();
    await notify('late', 'one');
    await vi.waitFor(() => expect(heard).toEqual([undefined, 'one']), settling);
  });

  it('listens to channels that are added at any moment of connecting', async () => {
    const heard = [hear('first')];
    const starting = listener.start();
    // Before, during and after the first LISTEN of the session. Each delays connecting, hence the limit.
    for (let turn = 0; turn < 100 && !listener.connected; turn += 1) {
      heard.push(hear(`turn${turn}`));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await starting;
    expect(heard.length).toBeGreaterThan(2);
    await notify('first', 'one');
    for (let turn = 0; turn < heard.length - 1; turn += 1) await notify(`turn${turn}`, 'one');
    await vi.waitFor(() => expect(heard).toEqual(heard.map(() => ['one'])), settling);
  });

  it('keeps trying while the server refuses it', async () => {
    await postgres.rows(`CREATE ROLE listens LOGIN PASSWORD 'right'`);
    const pool = budget.pool({
      connection: { ...postgres.connection, user: 'listens', password: 'right' },
      max: 1,
      priority: 'system',
    });
    await using other = new Listener(pool, pino({ level: 'silent' }));
    await other.start();
    await postgres.rows(`ALTER ROLE listens PASSWORD 'wrong'`);
    const failures: unknown[] = [];
    const connect = pool.connect;
    vi.spyOn(pool, 'connect').mockImplementation(() =>
      connect().catch((error: unknown) => {
        failures.push(error);
        throw error;
      }),
    );
    await postgres.rows('SELECT pg_terminate_backend($1)', [await backend()]);
    await vi.waitFor(() => expect(failures.length).toBeGreaterThan(1), settling);
    expect(other.connected).toBe(false);
    await postgres.rows(`ALTER ROLE listens PASSWORD 'right'`);
    await vi.waitFor(() => expect(other.connected).toBe(true), settling);
  });
});

describe('its liveness lock', () => {
  it('is there while the process lives, and again after a loss', async () => {
    expect(await livenessLocks()).toBe(0);
    await listener.start();
    expect(await livenessLocks()).toBe(1);
    await cut();
    await reconnected();
    expect(await livenessLocks()).toBe(1);
  });

  it('is gone after dispose, and so is the connection', async () => {
    await listener.start();
    await listener[Symbol.asyncDispose]();
    expect(await livenessLocks()).toBe(0);
    expect(await backendsOf(postgres)).toEqual([]);
    expect(listener.connected).toBe(false);
    expect(budget.stats).toEqual({ open: 0, idle: 0, waiting: 0 });
  });

  it('does not come back when the listener is disposed of while it is connecting', async () => {
    const heard = hear('a');
    await listener.start();
    await cut();
    while (budget.stats.open === 0) await nextTurn();
    await listener[Symbol.asyncDispose]();
    expect(await livenessLocks()).toBe(0);
    await expectBackends(postgres, []);
    expect(budget.stats).toEqual({ open: 0, idle: 0, waiting: 0 });
    expect(heard).toEqual([]);
  });
});
