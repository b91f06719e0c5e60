import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { eventually } from '../support/eventually.ts';
import { clientOf } from '../support/http-client.ts';
import { Machines, whyNoMachines } from '../support/machines.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { noWrites, Outside, type Writes } from '../support/outside.ts';
import { PlainPostgres } from '../support/plain-postgres.ts';
import { startCommand, startServer, startWorker } from '../support/server-process.ts';

// With REQUIRE_NAMESPACES, as in .ci/run for root, its tests fail where there can be no network namespaces.
const whyNot = whyNoMachines();
const title = ['a link that is cut in the middle of a run', ...(whyNot ? [`(${whyNot})`] : [])].join(' ');

const SECRETS = {
  ROLE_SECRET: 'a secret that every process of the test knows',
  JWT_SECRET: 'another secret that every process of the test knows',
};

/** How long the catalog keeps the lock of a worker that is gone, in milliseconds. Others may take its tenants after that. */
const LOCK_MS = 8_000;

describe.skipIf(whyNot !== undefined)(title, { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  let machines: Machines<'server' | 'worker' | 'catalog' | 'other'>;
  let servers: ReadonlyMap<string, PlainPostgres>;
  let migrations: MigrationDir;
  let outside: Outside;
  let slugs: string[];

  beforeAll(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-machines-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const links = [
      ['server', 'catalog'],
      ['server', 'other'],
      ['worker', 'catalog'],
      ['worker', 'other'],
    ] as const;
    machines = stack.use(await Machines.start(['server', 'worker', 'catalog', 'other'], links));
    const startPostgres = async (name: 'catalog' | 'other') =>
      stack.use(await PlainPostgres.start({ host: machines.addressOf(name), port: 5432, before: machines.on(name) }));
    const [catalog, other] = [await startPostgres('catalog'), await startPostgres('other')];
    servers = new Map([
      ['default', catalog],
      ['other', other],
    ]);
    migrations = stack.use(await makeMigrationDir());
    await migrations.add(
      '20270101000000_log',
      'CREATE TABLE migration_log (name text, client inet, began timestamptz)',
    );
    const env = {
      ...SECRETS,
      DATA_DIR: folder,
      DATABASE_URL: catalog.urlWith(),
      TENANT_MIGRATIONS_DIR: migrations.path,
      MIGRATION_CONCURRENCY: '2',
      LOG_LEVEL: 'warn',
    };
    const server = stack.use(startServer(env, { before: machines.on('server') }));
    const { port } = await server.listening();
    outside = new Outside(clientOf(await machines.relay('server', port)), server.admin());
    const adding = startCommand(['server', 'add', 'other', other.urlWith()], env, machines.on('server'));
    expect(await adding.ended, adding.output()).toMatchObject({ code: 0 });
    stack.use(await startWorker(env, { before: machines.on('worker') }));
    // Runs begin with those on the other server, which a worker reaches without the catalog.
    slugs = [...(await outside.createTenants('other', 6, 2)), ...(await outside.createTenants('default', 1, 1))];
  }, 200_000);
  afterAll(() => stack[Symbol.asyncDispose]());

  /** Starts a run of which each tenant takes some seconds, and waits until both processes are at work. */
  async function startRun(migration: string, seconds = 1): Promise<string> {
    const sleeping = `SELECT pg_sleep(${seconds})`;
    await migrations.add(
      migration,
      sleeping,
      `INSERT INTO migration_log VALUES ('${migration}', inet_client_addr(), now())`,
    );
    const run = await outside.startRun(slugs);
    await eventually('both work', async () => {
      const asked = `SELECT host(client_addr) AS client FROM pg_stat_activity WHERE state = 'active' AND query = $1`;
      const each = [...servers.values()].map((server) => server.rows<{ client: string }>(asked, [sleeping]));
      return new Set((await Promise.all(each)).flat().map(({ client }) => client)).size === 2;
    });
    return run;
  }

  /** Who has carried out a migration in which tenant, and when, in milliseconds; as often as it was. */
  async function logOf(migration: string): Promise<{ slug: string; client: string; began: number }[]> {
    const tenants = await servers
      .get('default')
      ?.rows<Record<'slug' | 'server' | 'database' | 'schema', string>>(
        'SELECT slug, server, database, schema FROM tenants',
        [],
        'auth',
      );
    const logs = (tenants ?? []).map(async ({ slug, server, database, schema }) => {
      const sql = `SELECT host(client) AS client, (extract(epoch FROM began) * 1000)::float8 AS began
        FROM ${quoteIdentifier(schema)}.migration_log WHERE name = $1`;
      const rows = await servers.get(server)?.rows<{ client: string; began: number }>(sql, [migration], database);
      return (rows ?? []).map((row) => ({ slug, ...row }));
    });
    return (await Promise.all(logs)).flat();
  }

  async function ended(run: string): Promise<void> {
    for (const start = Date.now(); Date.now() - start < 120_000; await sleep(200)) {
      if ((await outside.run(run)).status !== 'RUNNING') return;
    }
    throw new Error(`The run does not end: ${JSON.stringify(await outside.run(run))}`);
  }

  /** Every tenant has been migrated once, by one of them. */
  async function audit(run: string, migration: string): Promise<void> {
    const { status, items } = await outside.run(run);
    expect({ status, wrong: items.nodes.filter((item) => item.status !== 'SUCCEEDED') }).toEqual({
      status: 'SUCCEEDED',
      wrong: [],
    });
    const log = await logOf(migration);
    expect(log.map(({ slug }) => slug).toSorted()).toEqual(slugs.toSorted());
  }

  it('keeps a worker that has lost the catalog from tenants that another has taken, and the run goes on', async () => {
    const migration = '20270102000000_round';
    // The worker has claimed more tenants than it works on, and begins them when these are done: after it has lost its lock.
    const run = await startRun(migration, LOCK_MS / 1000 + 2);
    await machines.cut('worker', 'catalog');
    const cutAt = Date.now();
    await ended(run);
    await audit(run, migration);
    // The worker reached the other server all the time.
    const late = (await logOf(migration)).filter(
      ({ client, began }) => client === machines.addressOf('worker') && began > cutAt + LOCK_MS,
    );
    expect(late).toEqual([]);
    await machines.mend('worker', 'catalog');
    const again = '20270103000000_round';
    // Long enough for the worker to connect again before the other process has done everything.
    const next = await startRun(again, 5);
    await ended(next);
    await audit(next, again);
  });

  it('delays only the tenants behind it, and the run goes on when it is mended', async () => {
    const migration = '20270104000000_round';
    const [near, far] = [noWrites(), noWrites()];
    const stop = new AbortController();
    const writing = (who: string[], writes: Writes) => outside.write(who, writes, stop.signal);
    const writers = Promise.all([writing(['default-1', 'default-2'], near), writing(['other-1', 'other-8'], far)]);
    writers.catch(() => undefined);
    const run = await startRun(migration);
    for (const name of ['server', 'worker'] as const) await machines.cut(name, 'other');
    await sleep(15_000);
    for (const name of ['server', 'worker'] as const) await machines.mend(name, 'other');
    await ended(run);
    const before = far.confirmed.length;
    await eventually('both write again', async () =>
      ['other-1/', 'other-8/'].every((start) => far.confirmed.slice(before).some((sku) => sku.startsWith(start))),
    );
    stop.abort();
    await writers;
    expect([...near.refused, ...near.unknown, ...near.problems, ...far.problems]).toEqual([]);
    // The link is cut for 15 s.
    expect(Math.max(...near.longest.values())).toBeLessThan(8_000);
    await audit(run, migration);
  });

  it('does not hold up the run to which a worker was writing when it lost the catalog', async () => {
    const migration = '20270105000000_round';
    const catalog = servers.get('default') ?? expect.unreachable();
    const run = await startRun(migration, 3);
    // Each writer locks the run first, so the worker waits within its transaction.
    const lock = `BEGIN; SELECT FROM migration_runs WHERE id = '${run}' FOR UPDATE; SELECT pg_sleep(8); COMMIT`;
    const locking = catalog.rows(lock, [], 'auth');
    const waiting = `SELECT FROM pg_stat_activity WHERE host(client_addr) = $1 AND wait_event_type = 'Lock'`;
    const worker = machines.addressOf('worker');
    await eventually('the worker waits', async () => (await catalog.rows(waiting, [worker])).length > 0);
    await machines.cut('worker', 'catalog');
    await locking;
    await ended(run);
    await audit(run, migration);
    await machines.mend('worker', 'catalog');
  });
});
