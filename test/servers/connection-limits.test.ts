import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { settling } from '../support/backends.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('limits of connections, with an admin who is no superuser', () => {
  let postgres: TestPostgres;
  let env: Record<string, string>;
  let app: TestApp;
  beforeAll(async () => {
    postgres = await startTestPostgres({ max_connections: '60' });
    const url = await postgres.createRole('owner', 'secret');
    const pools = { SYSTEM_POOL_SIZE: '20', MIGRATION_CONCURRENCY: '3' };
    env = { NODE_ENV: 'test', ...postgres.env, DATABASE_URL: url, CONNECTION_BUDGET: 'auto', ...pools };
    app = await startTestApp(env);
    // All that is to be divided.
    await vi.waitFor(() => expect(budget()).toBeGreaterThan(40), settling);
  });
  afterAll(async () => {
    await app?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  const budget = () => app.services.servers.get('default')?.stats.max ?? Number.NaN;
  const command = (argv: readonly string[], more: Record<string, string> = {}) => runCommand(argv, { ...env, ...more });
  /** What doctor says of limits. */
  const limits = async (more: Record<string, string> = {}) =>
    (await command(['doctor'], more)).stdout.split('\n').filter((line) => line.includes('has a limit of'));
  const setLimit = (what: string, limit: number) => postgres.rows(`ALTER ${what} CONNECTION LIMIT ${limit}`);

  /** A process has its pool for each system database, and two more connections; the role of the URL has two pools, and the tenants of a run. */
  it.each([
    ['database auth', 'DATABASE "auth"', 20 + 2, 'to it', 'lower SYSTEM_POOL_SIZE'],
    ['database constants', 'DATABASE "constants"', 20 + 2, 'to it', 'lower SYSTEM_POOL_SIZE'],
    ['role owner', 'ROLE "owner"', 2 * 20 + 3, 'as this role', 'lower SYSTEM_POOL_SIZE or MIGRATION_CONCURRENCY'],
  ])('are told if the %s can need more, and not if they suffice', async (name, what, needed, where, otherwise) => {
    await setLimit(what, needed);
    expect(await limits()).toEqual([]);
    await setLimit(what, needed - 1);
    const message = `! The ${name} of the server default has a limit of ${needed - 1} connections, fewer than the ${needed} that Tenantry may open ${where}`;
    const remedy = `Raise it with ALTER ${what} CONNECTION LIMIT ${needed}, or ${otherwise}`;
    expect(await limits()).toEqual([`${message}. ${remedy}`]);
    await setLimit(what, -1);
  });

  it('of the shared database are compared with all connections, and auto does not heed them', async () => {
    await setLimit('DATABASE shared', 20);
    const told = `! The database shared of the server default has a limit of 20 connections, fewer than the ${budget()} that Tenantry may open to it. Raise it with ALTER DATABASE "shared" CONNECTION LIMIT ${budget()}, or`;
    expect(await limits()).toEqual([
      `${told} set CONNECTION_BUDGET to a number that fits, because auto looks at no limits of databases`,
    ]);
    expect(await limits({ CONNECTION_BUDGET: '20' })).toEqual([`${told} lower CONNECTION_BUDGET`]);
    const { data } = await app.ask('{ doctor { message remedy } }', app.admin);
    expect(data).toEqual({
      doctor: [
        {
          message: expect.stringContaining('The database shared of the server default has a limit of 20'),
          remedy: expect.stringMatching(/auto looks at no limits of databases$/),
        },
      ],
    });
    await setLimit('DATABASE shared', -1);
  });

  it('are told where they keep doctor itself from looking', async () => {
    await setLimit('DATABASE auth', 1);
    const { exit, stdout } = await command(['doctor']);
    await setLimit('DATABASE auth', -1);
    expect(exit).toBe(1);
    expect(stdout).toContain('✗ The database auth cannot be read: too many connections for database "auth"\n');
    expect(stdout).toContain('! The database auth of the server default has a limit of 1 connections');
  });

  it('of a process are those of the processes that run, in server list', async () => {
    const listed = async () => JSON.parse((await command(['server', 'list', '--json'])).stdout);
    expect(await listed()).toMatchObject([{ processes: 1, processConnections: budget(), connectionBudget: budget() }]);
    await using small = await startTestApp({ ...env, CONNECTION_BUDGET: '10' });
    expect(small.services.servers.get('default')?.stats.max).toBe(10);
    await vi.waitFor(async () => {
      const together = { processConnections: budget() + 10, connectionBudget: budget() };
      expect(await listed()).toMatchObject([{ processes: 2, ...together }]);
    }, settling);
  });
});

it('processes that divide more than PostgreSQL has are told to be fewer', async () => {
  await using postgres = await startTestPostgres({ max_connections: '25' });
  const env = { NODE_ENV: 'test', ...postgres.env, CONNECTION_BUDGET: 'auto' };
  await using _app = await startTestApp(env);
  const together = { instance: 1, server: 'default', connections: 30 };
  const client = await postgres.connect('auth');
  // A process that is alive is one that holds its lock.
  await client.query('SELECT pg_advisory_lock(7003, $1)', [together.instance]);
  await client.query('INSERT INTO connection_budgets (instance, server, connections) VALUES ($1, $2, $3)', [
    together.instance,
    together.server,
    together.connections,
  ]);
  const { stdout } = await runCommand(['doctor'], env);
  expect(stdout).toMatch(
    /more than the 22 that PostgreSQL allows: .* Start fewer processes, or raise max_connections; with CONNECTION_BUDGET=auto, each takes 4 or more/,
  );
});
