import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import type { Pool, PoolClient, PoolOptions } from '../../src/postgres/pool/pool.ts';
import { ServerPool, type ServerPoolOptions } from '../../src/postgres/pool/server-pool.ts';
import { expectBackends, settling } from './backends.ts';
import { startTestPostgres, type TestPostgres } from './start-postgres.ts';

/** The PostgreSQL of a test file, and the budget of the test that runs. */
export interface UsedBudget {
  readonly postgres: TestPostgres;
  readonly budget: ServerPool;
  /** Begins a budget; by default of three connections that are kept for long. */
  start(options?: Partial<ServerPoolOptions>): void;
  /** A pool within it. */
  pool(options?: Partial<PoolOptions>): Pool;
  /** Lets PostgreSQL end a connection. */
  terminate(pid: number): Promise<unknown>;
  /** Waits until the budget counts so. */
  settlesTo(stats: Partial<ServerPool['stats']>): Promise<void>;
}

/** Starts a PostgreSQL for the tests of a file. Each starts a budget over it, of which nothing may be left when that is closed. */
export function useBudget(): UsedBudget {
  let postgres: TestPostgres;
  let budget: ServerPool;
  beforeAll(async () => {
    postgres = await startTestPostgres();
  });
  afterAll(() => postgres[Symbol.asyncDispose]());
  afterEach(async () => {
    await budget.close();
    expect(budget.stats).toEqual({ open: 0, idle: 0, waiting: 0 });
    await expectBackends(postgres, []);
  });
  return {
    get postgres() {
      return postgres;
    },
    get budget() {
      return budget;
    },
    start(options = {}) {
      budget = new ServerPool({
        max: 3,
        reserved: 0,
        waitMs: 20_000,
        recycleMs: 3_600_000,
        idleMs: 60_000,
        ...options,
      });
    },
    pool: (options = {}) => budget.pool({ connection: postgres.connection, max: 3, priority: 'tenant', ...options }),
    terminate: (pid) => postgres.rows('SELECT pg_terminate_backend($1)', [pid]),
    settlesTo: (stats) => vi.waitFor(() => expect(budget.stats).toMatchObject(stats), settling),
  };
}

/** Which backend a client has. */
export async function pidOf(client: Pick<PoolClient, 'query'>): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}
