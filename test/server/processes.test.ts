import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectTestClient } from '../support/backends.ts';
import { clientOf, type HttpClient } from '../support/http-client.ts';
import {
  type OwnProcess,
  ownInstallation,
  type ServerProcess,
  startCommand,
  startServer,
} from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** How long a process may take to start on a busy machine. */
const patience = { timeout: 100_000, interval: 100 };

const LOG = { LOG_LEVEL: 'info' };

describe('a server of several processes', { timeout: 300_000 }, () => {
  let folder: string;
  let postgres: TestPostgres;
  let own: ReturnType<typeof ownInstallation>;
  let server: ServerProcess;
  let client: HttpClient;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-processes-'));
    postgres = await startTestPostgres();
    own = ownInstallation(postgres, folder);
    server = startServer({ ...own, ...LOG, SERVER_PROCESSES: '2', CONNECTION_BUDGET: '10', WORKER: 'off' });
    client = await server.listening();
    await readyTimes(server, 2);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it('shows its address and its token once, and has one port', async () => {
    expect(server.output().match(/http:\/\/[^ ]+\/graphql/g)).toHaveLength(1);
    expect((await client.get('/health/ready')).status).toBe(200);
  });

  it('divides the budget of connections', async () => {
    const input = '{ slug: "acme", name: "Acme", isolation: SCHEMA }';
    await client.post({ query: `mutation { createTenant(input: ${input}) { id } }` }, server.admin());
    const { body } = await client.post({ query: '{ servers { connectionBudget } }' }, server.admin());
    expect(body.data).toEqual({ servers: [{ connectionBudget: 5 }] });
    let most = 0;
    let isAsking = true;
    const observe = async () => {
      while (isAsking) {
        const rows = await postgres.rows(
          "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name = 'tenantry'",
        );
        most = Math.max(most, rows.length);
      }
    };
    const ask = async () => {
      const headers = { ...server.admin(), 'x-tenant': 'acme' };
      for (let round = 0; round < 5; round += 1) {
        expect((await client.post({ query: '{ products { totalCount } }' }, headers)).code).toBeUndefined();
      }
    };
    const observed = observe();
    await Promise.all(Array.from({ length: 30 }, ask));
    isAsking = false;
    await observed;
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(10);
  });

  it('goes on when one of them is killed, and replaces it', async () => {
    const [victim, other] = await childrenOf(server);
    if (victim === undefined) expect.unreachable('there is no process');
    process.kill(victim, 'SIGKILL');
    // Until the parent knows, node:cluster may still give a connection to that process, and it is lost.
    await vi.waitUntil(() => server.output().includes('a process of this server has ended and is replaced'), patience);
    expect(await childrenOf(server)).not.toContain(victim);
    // From now on every request is answered, while the new process starts, and by it.
    const answered = async () => {
      expect(await client.post({ query: '{ server { name } }' })).toMatchObject({ status: 200, code: undefined });
    };
    const replaced = readyTimes(server, 3).then(() => 'ready' as const);
    while ((await Promise.race([replaced, sleep(10, 'starting' as const)])) === 'starting') await answered();
    for (let round = 0; round < 20; round += 1) await answered();
    expect(await childrenOf(server)).toContain(other);
  });

  it('ends with all of them at SIGTERM, when the requests in progress are answered', async () => {
    const children = await childrenOf(server);
    const { data } = await client.ask<{ tenant: { placement: { database: string; schema: string } } }>(
      '{ tenant(slug: "acme") { placement { database schema } } }',
      server.admin(),
    );
    const { placement } = data?.tenant ?? expect.unreachable('the tenant is gone');
    const url = new URL(postgres.env.DATABASE_URL);
    url.pathname = placement.database;
    const session = await connectTestClient({ connectionString: url.href });
    await session.query(`BEGIN; LOCK TABLE "${placement.schema}".products`);
    const headers = { ...server.admin(), 'x-tenant': 'acme' };
    const ask = () => client.post({ query: '{ products { totalCount } }' }, headers);
    const answers = Promise.all([ask(), ask(), ask(), ask()]);
    const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'tenantry'";
    await vi.waitUntil(async () => (await postgres.rows(waiting)).length > 0, patience);
    // The other requests have reached the server by then, or wait for their turn there.
    await sleep(1_000);
    server.signal('SIGTERM');
    for (const pid of children) process.kill(pid, 'SIGTERM');
    await session.query('COMMIT');
    await session.end();
    for (const { status } of await answers) expect(status).toBe(200);
    expect(await server.ended).toEqual({ code: 0, signal: null });
    for (const pid of children) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});

describe('a server of several processes', { timeout: 300_000 }, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-processes-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('ends with a reason when its budget is too small', async () => {
    const env = { DATA_DIR: path.join(folder, 'unused'), SERVER_PROCESSES: '3', CONNECTION_BUDGET: '14' };
    await using small = startServer(env);
    expect((await small.ended).code).not.toBe(0);
    expect(small.output()).toContain('CONNECTION_BUDGET must be at least 15 for 3 processes');
  });

  it('ends when the first process cannot start, although its metrics were asked for meanwhile', async () => {
    // A PostgreSQL that never answers.
    const silent = createServer();
    const [database, metrics] = [await portOf(silent), await portOf(createServer(), 'close')];
    await using server = startServer({
      DATABASE_URL: `postgres://nobody:nothing@127.0.0.1:${database}/postgres`,
      DATA_DIR: path.join(folder, 'silent'),
      SERVER_PROCESSES: '2',
      METRICS_PORT: String(metrics),
    });
    const asked = clientOf(metrics);
    let answers = 0;
    while (server.isAlive()) {
      await asked.get('/metrics').then(
        () => {
          answers += 1;
        },
        () => undefined,
      );
      await sleep(50);
      if (server.output().includes('is replaced')) break;
    }
    expect(answers).toBeGreaterThan(0);
    expect(server.output()).toContain('The first of 2 processes ended before it was ready');
    silent.close();
  });

  it('starts the built-in PostgreSQL once, and stops it at the end', async () => {
    await using server = startServer({
      ...LOG,
      DATA_DIR: path.join(folder, 'data'),
      SERVER_PROCESSES: '2',
      WORKER: 'off',
    });
    const client = await server.listening();
    await readyTimes(server, 2);
    await vi.waitFor(async () => expect((await client.get('/health/ready')).status).toBe(200), patience);
    expect(server.output().match(/PostgreSQL \d+ listens on/g)).toHaveLength(1);
    server.signal('SIGINT');
    expect((await server.ended).code).toBe(0);
    expect(server.output()).toMatch(/PostgreSQL.*(stopped|stops|stopping)/i);
  });

  it('is also what a worker can be', async () => {
    const data = { ...LOG, DATA_DIR: path.join(folder, 'data') };
    await using worker = startCommand(['worker', '--processes', '2'], data);
    await vi.waitUntil(() => worker.output().includes('Working on migration runs'), patience);
    await readyTimes(worker, 2);
    worker.signal('SIGTERM');
    expect((await worker.ended).code).toBe(0);
  });
});

/** The port that a server listens on, which is free again if it is closed. */
async function portOf(server: Server, then?: 'close'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (then === 'close') server.close();
  return typeof address === 'object' && address ? address.port : 0;
}

/** The ids of the Node processes that a process has started. */
async function childrenOf({ pid }: { readonly pid: number }): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  return [...stdout.matchAll(/^\s*(\d+)\s+(\d+)\s+(.*)$/gm)]
    .filter(([, , parent, args]) => Number(parent) === pid && args?.includes('test/fixture'))
    .map(([, child]) => Number(child));
}

/** Waits until processes have reported this often that they are ready. */
function readyTimes(parent: OwnProcess, times: number): Promise<unknown> {
  const count = () => parent.output().split('one of the processes is ready').length - 1;
  return vi.waitFor(() => expect(count()).toBe(times), patience);
}
