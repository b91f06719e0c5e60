import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import type { Services } from '../../src/installation/services.ts';
import { migrationDirs } from '../support/child-env.ts';
import { runCommand } from '../support/run-command.ts';
import { openTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** 3 are reserved, 4 are left alone, and 5 are for other programs, of which the test is one. */
const DIVIDED = 40 - 3 - 4 - 5;

const settling = { timeout: 30_000, interval: 50 };

describe('processes that divide connections', () => {
  let postgres: TestPostgres;
  let env: Record<string, string>;
  beforeAll(async () => {
    postgres = await startInstalledPostgres({ max_connections: '40' });
    env = { NODE_ENV: 'test', ...postgres.env, CONNECTION_BUDGET: 'auto', POOL_IDLE_SECONDS: '5' };
  });
  afterAll(() => postgres[Symbol.asyncDispose]());

  const start = (more: Record<string, string> = {}) => openTestApp(loadConfig({ ...migrationDirs, ...env, ...more }));

  it('have equal parts, which change when one comes or goes', async () => {
    await using one = await start();
    await settlesTo([one], [DIVIDED]);
    {
      await using other = await start();
      await settlesTo([one, other], [DIVIDED / 2, DIVIDED / 2]);
      await using third = await start({ CONNECTION_BUDGET: '10' });
      // A fixed budget is no part of what is divided.
      await settlesTo([one, other, third], [(DIVIDED - 10) / 2, (DIVIDED - 10) / 2, 10]);
      const { data } = await one.ask(
        '{ servers { connectionBudget connectionLimit processes processConnections } }',
        one.admin,
      );
      expect(data).toEqual({
        servers: [
          { connectionBudget: (DIVIDED - 10) / 2, connectionLimit: 37, processes: 3, processConnections: DIVIDED },
        ],
      });
    }
    await settlesTo([one], [DIVIDED]);
  });

  it('lend those that they have no use for to one that has, and get them back', async () => {
    await using one = await start();
    await using other = await start();
    await settlesTo([one, other], [DIVIDED / 2, DIVIDED / 2]);
    const many = DIVIDED - 8;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const held = hold(one.services, many, released);
    await held.all;
    expect(budgetOf(one)).toBeGreaterThan(many);
    expect(budgetOf(one) + budgetOf(other)).toBeLessThanOrEqual(DIVIDED);
    expect(await openConnections(postgres)).toBeLessThanOrEqual(DIVIDED);
    // The other one wants some too now, and has to wait for them.
    const { promise: end, resolve: endOther } = Promise.withResolvers<void>();
    const wanted = hold(other.services, 9, end);
    await vi.waitFor(() => expect(other.services.servers.get('default')?.stats.waiting).toBeGreaterThan(0), settling);
    release();
    await held.done;
    await wanted.all;
    expect(await openConnections(postgres)).toBeLessThanOrEqual(DIVIDED);
    endOther();
    await wanted.done;
    await settlesTo([one, other], [DIVIDED / 2, DIVIDED / 2]);
  });

  it('wait where other programs have all connections', async () => {
    await using app = await start();
    await settlesTo([app], [DIVIDED]);
    const others = await Promise.all(Array.from({ length: 37 }, () => postgres.connect().catch(() => undefined)));
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const held = hold(app.services, 5, released);
    setTimeout(() => {
      for (const client of others) void client?.end();
    }, 500);
    await held.all;
    release();
    await held.done;
  });
});

describe('budgets that add up to more than PostgreSQL has', () => {
  it('are shown by server list, and found by doctor', async () => {
    await using postgres = await startInstalledPostgres({ max_connections: '40' });
    const env = { NODE_ENV: 'test', ...postgres.env, CONNECTION_BUDGET: '30' };
    const start = () => openTestApp(loadConfig({ ...migrationDirs, ...env }));
    await using one = await start();
    expect((await runCommand(['doctor'], env)).stdout).not.toContain('may together open');
    await using _other = await start();
    const { stdout } = await runCommand(['server', 'list', '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject([
      { maxConnections: 40, reservedConnections: 3, processes: 2, processConnections: 60 },
    ]);
    const message =
      'The 2 processes of this installation may together open 60 connections to the server default, more than the 37 that PostgreSQL allows';
    const doctor = await runCommand(['doctor'], env);
    expect(doctor).toMatchObject({ exit: 0, stdout: expect.stringContaining(message) });
    const { data } = await one.ask('{ doctor { message remedy } }', one.admin);
    expect(JSON.stringify(data)).toContain(message);
    await postgres.rows('ALTER DATABASE shared CONNECTION LIMIT 20');
    expect((await runCommand(['doctor'], env)).stdout).toContain(
      'The database shared of the server default has a limit of 20 connections, fewer than the 60 that Tenantry may open',
    );
  });
});

function budgetOf({ services }: TestApp): number {
  return services.servers.get('default')?.stats.max ?? Number.NaN;
}

/** Waits until the processes have these budgets. */
async function settlesTo(apps: readonly TestApp[], budgets: readonly number[]): Promise<void> {
  await vi.waitFor(() => expect(apps.map(budgetOf)).toEqual(budgets), settling);
}

/** Holds connections until a promise resolves. */
function hold({ servers }: Services, count: number, until: Promise<void>) {
  const server = servers.get('default') ?? expect.unreachable('there is no server');
  const got = Array.from({ length: count }, () => Promise.withResolvers<void>());
  const done = got.map(({ resolve, reject }) =>
    server
      .owner('shared', async () => {
        resolve();
        await until;
      })
      .catch(reject),
  );
  return { all: Promise.all(got.map(({ promise }) => promise)), done: Promise.all(done) };
}

async function openConnections(postgres: TestPostgres): Promise<number> {
  const rows = await postgres.rows("SELECT FROM pg_stat_activity WHERE application_name = 'tenantry'");
  return rows.length;
}
