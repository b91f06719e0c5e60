import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Pool, PoolClient, PoolOptions, Priority } from '../../../src/postgres/pool/pool.ts';
import { ServerPool } from '../../../src/postgres/pool/server-pool.ts';
import { isConnectionFailure } from '../../../src/postgres/sql/error-codes.ts';
import { BackendWatch, backendsOf, settling } from '../../support/backends.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';

const limits = { max: 5, reserved: 2, waitMs: 20_000, recycleMs: 3_600_000, idleMs: 60_000 };

const kinds = {
  shop: { max: 2, priority: 'tenant' },
  farm: { max: 2, priority: 'tenant' },
  once: { max: 3, priority: 'tenant', keepIdle: false },
  system: { max: 3, priority: 'system' },
  admin: { max: 3, priority: 'admin' },
  /** Cannot be connected to. */
  broken: { max: 2, priority: 'tenant' },
} as const satisfies Record<string, Omit<PoolOptions, 'connection'>>;
type Kind = keyof typeof kinds;

const kind = fc.constantFrom(...(Object.keys(kinds) as Kind[]));
const which = fc.nat({ max: 20 });
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('connect' as const), kind }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('giveBack', 'giveBackInTransaction', 'giveBackAfterError', 'giveBackBusy', 'destroy'),
      which,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('terminate' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('endLane' as const), kind }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('renew' as const), max: fc.integer({ min: 3, max: limits.max }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rest' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pause' as const), turns: fc.integer({ min: 1, max: 200 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const laneHasEnded = { code: 'SERVER_BUSY', message: expect.stringContaining('has been closed') };
const expectedError = {
  shop: laneHasEnded,
  farm: laneHasEnded,
  once: laneHasEnded,
  system: laneHasEnded,
  admin: laneHasEnded,
  broken: { code: expect.stringMatching(/^(28P01|SERVER_BUSY)$/) },
};

/** Somebody who waits for a connection, or has one. */
interface Caller {
  readonly kind: Kind;
  readonly pool: Pool;
}

/** A budget, its callers, and what they have in their hands. */
class World {
  readonly budget = new ServerPool(limits);
  readonly #pools = new Map<Kind, Pool>();
  readonly #loans = new Map<PoolClient, Caller>();
  readonly #known = new WeakSet<PoolClient>();
  readonly #problems: unknown[] = [];
  readonly #waiting = new Set<Caller>();

  async take(action: Step): Promise<void> {
    switch (action.do) {
      case 'connect':
        return this.#connect(action.kind);
      case 'terminate':
        return this.#terminate(action.which);
      case 'endLane':
        void this.#pools.get(action.kind)?.end();
        return void this.#pools.delete(action.kind);
      case 'renew':
        this.budget.renew(action.max);
        return this.#rest();
      case 'rest':
        return this.#rest();
      case 'pause':
        for (let turn = 0; turn < action.turns; turn += 1) await nextTurn();
        return;
      default:
        return this.#release(action.do, action.which);
    }
  }

  /** Gives everything back, until nobody waits any more. */
  async settle(): Promise<void> {
    await vi.waitFor(() => {
      for (const client of this.#loans.keys()) client.release();
      this.#loans.clear();
      expect([this.#waiting.size, this.budget.stats.waiting]).toEqual([0, 0]);
    }, settling);
    expect(this.#problems).toEqual([]);
  }

  /** Does nothing more until nobody waits but those whom only somebody else's connection can help. */
  async #rest(): Promise<void> {
    await vi.waitFor(() => {
      expect([...this.#waiting].filter((caller) => this.#canBeServed(caller))).toEqual([]);
    }, settling);
  }

  /** Whether a caller could have what nobody holds: a place that is free, or the place of an idle connection. */
  #canBeServed({ kind, pool }: Caller): boolean {
    const held = [...this.#loans.values()];
    const { max, priority } = kinds[kind];
    const [admins, tenants] = [this.#heldBy('admin'), this.#heldBy('tenant')];
    const together = Math.max(this.budget.max - limits.reserved, 1);
    return (
      held.filter((each) => each.pool === pool).length < max &&
      held.length < this.budget.max &&
      (priority === 'system' || admins + tenants < together) &&
      (priority !== 'admin' || admins < Math.max(together - 1, 1))
    );
  }

  #heldBy(priority: Priority): number {
    return [...this.#loans.values()].filter((each) => kinds[each.kind].priority === priority).length;
  }

  #connect(kind: Kind): void {
    let pool = this.#pools.get(kind);
    if (!pool) {
      const password = kind === 'broken' ? 'wrong' : postgres.connection.password;
      pool = this.budget.pool({ ...kinds[kind], connection: { ...postgres.connection, password } });
      this.#pools.set(kind, pool);
    }
    const caller = { kind, pool };
    this.#waiting.add(caller);
    pool
      .connect()
      .then(
        (client) => this.#acquired(client, caller),
        // Those that were cut while they were being opened, and those that must fail.
        (error) => isConnectionFailure(error) || expect(error).toMatchObject(expectedError[kind]),
      )
      .catch((problem) => this.#problems.push(problem))
      .finally(() => this.#waiting.delete(caller));
  }

  #acquired(client: PoolClient, caller: Caller): void {
    expect(this.#loans.has(client), 'nobody else has it').toBe(false);
    expect(client.getTransactionStatus()).toBe('I');
    // Those that PostgreSQL has ended may still be in somebody's hands, but count no more.
    if (!this.#known.has(client)) client.once('end', () => this.#loans.delete(client));
    this.#known.add(client);
    this.#loans.set(client, caller);
    const together = limits.max - limits.reserved;
    expect(this.#heldBy('admin') + this.#heldBy('tenant')).toBeLessThanOrEqual(together);
    expect(this.#heldBy('admin')).toBeLessThanOrEqual(together - 1);
    expect(this.#loans.size).toBeLessThanOrEqual(limits.max);
  }

  #release(how: string, index: number): void {
    const client = [...this.#loans.keys()][index % this.#loans.size];
    if (!client) return;
    this.#loans.delete(client);
    // Nobody waits for these; the connection may be gone, too.
    const send = (sql: string) => void client.query(sql).catch(() => undefined);
    if (how === 'giveBackInTransaction') send('BEGIN');
    if (how === 'giveBackAfterError') send('SELECT 1 / 0');
    if (how === 'giveBackBusy') send('SELECT pg_sleep(0.02)');
    client.release(how === 'destroy');
  }

  async #terminate(index: number): Promise<void> {
    const pids = await backendsOf(postgres);
    await postgres.rows('SELECT pg_terminate_backend($1)', [pids[index % pids.length]]);
  }
}

it('keeps its promises, whatever callers do and whenever connections break', async () => {
  await using watch = await BackendWatch.start(postgres.connection);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120 }), async (steps) => {
      const world = new World();
      for (const action of steps) await world.take(action);
      await world.settle();
      // No slot is lost: one pool can use them all.
      const all = world.budget.pool({ connection: postgres.connection, max: limits.max, priority: 'system' });
      await Promise.all(Array.from({ length: world.budget.max }, () => all.connect()));
      await world.budget.close();
      expect(world.budget.stats).toEqual({ open: 0, idle: 0, waiting: 0 });
      expect(await backendsOf(postgres)).toEqual([]);
    }),
    { numRuns: 20 },
  );
  expect(await watch.peak()).toBe(limits.max);
});
