import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { createTenant } from '../../src/tenants/create.ts';
import { migrationDirs } from '../support/child-env.ts';
import type { HttpClient } from '../support/http-client.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { type OwnProcess, type ServerProcess, startServer, startWorker } from '../support/server-process.ts';
import { openTestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { mapAtOnce } from '../support/tenants.ts';

const TENANTS = 1_000;
const SERVERS = 10;
const WORKERS = 10;
/** Requests at once to each server. */
const CLIENTS = 5;
/** PostgreSQL keeps three for superusers. */
const GRANTED = 97;

const patience = { timeout: 60_000, interval: 100 };

let postgres: TestPostgres;
let migrations: MigrationDir;
let admin: Record<string, string>;
const servers: ServerProcess[] = [];
const workers: OwnProcess[] = [];
let clients: readonly HttpClient[];

beforeAll(async () => {
  postgres = await startInstalledPostgres({ max_connections: '100' });
  migrations = await makeMigrationDir();
  const env = {
    ...postgres.env,
    NODE_ENV: 'test',
    TENANT_MIGRATIONS_DIR: migrations.path,
    CONNECTION_BUDGET: 'auto',
    GRAPHIQL: 'false',
  };
  {
    await using app = await openTestApp(loadConfig({ ...migrationDirs, ...env }));
    admin = app.admin;
    const { provisioning } = app.services;
    await mapAtOnce(slugs, 8, (slug) => createTenant(provisioning, { slug, name: slug, isolation: 'SCHEMA' }));
  }
  // Starting one takes seconds of a core.
  clients = await mapAtOnce(Array.from({ length: SERVERS }), 2, async () => {
    const server = startServer({ ...env, WORKER: 'off' });
    servers.push(server);
    return server.listening();
  });
  await mapAtOnce(Array.from({ length: WORKERS }), 2, async () => workers.push(await startWorker(env)));
}, 400_000);

afterAll(async () => {
  await Promise.all([...servers, ...workers].map((process) => process[Symbol.asyncDispose]()));
  await migrations?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
}, 120_000);

const slugs = Array.from({ length: TENANTS }, (_, index) => `tenant-${index}`);

it('twenty processes serve and migrate a thousand tenants with a hundred connections', {
  timeout: 300_000,
}, async () => {
  await vi.waitFor(async () => expect(await together()).toMatchObject({ processes: SERVERS + WORKERS }), patience);
  await migrations.add('20990101000000_note', 'ALTER TABLE products ADD COLUMN note text');
  const random = seededRandom(20);
  let hasEnded = false;
  let requests = 0;
  const failures: unknown[] = [];
  const ask = async (client: HttpClient) => {
    while (!hasEnded || requests < TENANTS) {
      const slug = slugs[random.int(0, TENANTS - 1)] ?? '';
      const { status, code, body } = await client.post(
        { query: '{ products(first: 5) { nodes { id name } } }' },
        { ...admin, 'x-tenant': slug },
      );
      requests += 1;
      if (status !== 200 || code !== undefined) failures.push(body);
    }
  };
  let most = 0;
  let isObserved = true;
  const observe = async () => {
    while (isObserved) {
      const rows = await postgres.rows("SELECT FROM pg_stat_activity WHERE application_name = 'tenantry'");
      most = Math.max(most, rows.length);
      await sleep(20);
    }
  };
  const asked = clients.flatMap((client) => Array.from({ length: CLIENTS }, () => ask(client)));
  const observed = observe();
  const [client] = clients;
  if (!client) expect.unreachable('there is no server');
  const started = await client.ask<{ runMigrations: { id: string } }>(
    'mutation { runMigrations(input: { wait: false }) { id } }',
    admin,
  );
  const query = `{ migrationRun(id: "${started.data?.runMigrations.id}") { status succeeded failed } }`;
  const hasRun = async () => {
    const { data } = await client.ask<{ migrationRun: { status: string } }>(query, admin);
    expect(data?.migrationRun.status).not.toMatch(/PENDING|RUNNING/);
    return data?.migrationRun;
  };
  expect(await vi.waitFor(hasRun, { timeout: 200_000, interval: 500 })).toEqual({
    status: 'SUCCEEDED',
    succeeded: TENANTS,
    failed: 0,
  });
  hasEnded = true;
  await Promise.all(asked);
  isObserved = false;
  await observed;
  expect(failures).toEqual([]);
  expect(most).toBeGreaterThan(SERVERS + WORKERS);
  expect(most).toBeLessThanOrEqual(GRANTED);
});

it('what killed processes had is divided among the others', { timeout: 120_000 }, async () => {
  const [first, ...others] = servers;
  if (!first) expect.unreachable('there is no server');
  for (const process of [...others, ...workers]) process.signal('SIGKILL');
  await vi.waitFor(async () => expect((await together())?.processes).toBe(1), patience);
  await vi.waitFor(async () => expect((await together())?.connectionBudget).toBeGreaterThan(70), patience);
});

interface Shown {
  readonly connectionBudget: number;
  readonly processes: number;
}

/** What the first server says. */
async function together(): Promise<Shown | undefined> {
  const query = '{ servers { connectionBudget processes } }';
  return (await clients[0]?.ask<{ servers: Shown[] }>(query, admin))?.data?.servers[0];
}
