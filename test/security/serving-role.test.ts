import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { codeOf } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres, testApplication } from '../support/start-postgres.ts';
import { attempt, connectAsTenant } from '../support/tenant-client.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

let postgres: TestPostgres;
let admin: TestApp;
let serving: TestApp;
let tenants: TestTenant[];
let env: Record<string, string>;
const products = '{ products { totalCount } }';
const empty = { data: { products: { totalCount: 0 } } };

beforeAll(async () => {
  postgres = await startTestPostgres();
  admin = await startTestApp(postgres.env);
  tenants = await createTenants(admin, ['DATABASE', 'SCHEMA']);
  // What docs/security.md says.
  await postgres.rows(`CREATE ROLE tenantry_web LOGIN PASSWORD 'secret'`);
  await postgres.rows('GRANT CONNECT ON DATABASE postgres TO tenantry_web');
  const url = postgres.url('postgres', 'tenantry_web', 'secret');
  env = { ...postgres.env, DATABASE_URL: url, WORKER: 'off' };
  serving = await startTestApp(env);
});
afterAll(async () => {
  await serving[Symbol.asyncDispose]();
  await admin[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

const mutate = (text: string) => serving.ask(`mutation { ${text} }`, serving.admin);

it('serves tenants with a role that may only connect', async () => {
  for (const { member } of tenants) expect(await serving.ask(products, member)).toEqual(empty);
  expect(await serving.ask('{ health { status } }')).toEqual({ data: { health: { status: 'OK' } } });
  const roles = await postgres.rows('SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = $1', [
    'tenantry_web',
  ]);
  expect(roles).toEqual([{ rolsuper: false, rolcreatedb: false, rolcreaterole: false }]);
});

it('creates, deletes and copies nothing, says so, and leaves nothing half done', async () => {
  const [tenant = expect.unreachable()] = tenants;
  const before = await postgres.rows('SELECT slug, status FROM tenants ORDER BY 1', [], 'auth');
  for (const text of [
    'createTenant(input: { slug: "new", name: "x" }) { id }',
    `deleteTenant(id: "${tenant.slug}", slug: "${tenant.slug}") { id }`,
    `createCheckpoint(tenant: "${tenant.slug}") { id }`,
  ]) {
    const answer = await mutate(text);
    expect(codeOf(answer), text).toBe('CONFLICT');
    expect(answer.errors?.[0]?.message, text).toContain('This process only serves');
  }
  expect(await postgres.rows('SELECT slug, status FROM tenants ORDER BY 1', [], 'auth')).toEqual(before);
});

it('leaves to a process with the admin’s connections: runs, sessions of a suspended tenant, and the roles’ passwords', async () => {
  const [tenant = expect.unreachable()] = tenants;
  expect(await mutate('runMigrations(input: { wait: true }) { status }')).toEqual({
    data: { runMigrations: { status: 'SUCCEEDED' } },
  });
  const client = await connectAsTenant(postgres, tenant.row);
  const ended = new Promise((resolve) => client.once('end', resolve));
  await attempt(client, `ALTER ROLE CURRENT_USER PASSWORD 'mine'`);
  expect(codeOf(await mutate(`suspendTenant(id: "${tenant.slug}") { status }`))).toBeUndefined();
  await ended;
  await mutate(`activateTenant(id: "${tenant.slug}") { status }`);
  await vi.waitFor(async () => expect(await serving.ask(products, tenant.member)).toEqual(empty), { timeout: 15_000 });
});

it('goes by ADMIN_DATABASE_URL for all that, and keeps both within one budget', async () => {
  const { DATABASE_URL } = postgres.env;
  const both = { ...env, WORKER: 'inline', ADMIN_DATABASE_URL: DATABASE_URL, CONNECTION_BUDGET: '6' };
  await admin[Symbol.asyncDispose]();
  await serving[Symbol.asyncDispose]();
  await using app = await startTestApp(both);
  let most = 0;
  const count = async () => {
    const [row] = await postgres.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> $1`,
      [testApplication],
    );
    most = Math.max(most, row?.count ?? 0);
  };
  const watch = setInterval(() => void count(), 20);
  const asked = Array.from({ length: 30 }, (_, n) => app.ask(products, tenants[n % 2]?.member));
  const created = await app.ask('mutation { createTenant(input: { slug: "new", name: "x" }) { status } }', app.admin);
  expect(created).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
  for (const answer of await Promise.all(asked)) expect(answer).toEqual(empty);
  expect(await app.ask('{ health { status } }')).toEqual({ data: { health: { status: 'OK' } } });
  clearInterval(watch);
  expect(most).toBeGreaterThan(2);
  expect(most).toBeLessThanOrEqual(6);
});

it('does not start with roles or servers that do not fit, and says what to do', async () => {
  await using other = await startTestPostgres();
  const refusals: [Record<string, string>, RegExp][] = [
    [
      { WORKER: 'inline' },
      /The role tenantry_web needs CREATEDB and CREATEROLE, or ADMIN_DATABASE_URL .* set WORKER=off/,
    ],
    [{ ADMIN_DATABASE_URL: other.env.DATABASE_URL }, /name different servers/],
    [
      { ADMIN_DATABASE_URL: env.DATABASE_URL ?? '' },
      /tenantry_web needs CREATEDB and CREATEROLE, because ADMIN_DATABASE_URL/,
    ],
    [{ ADMIN_DATABASE_URL: postgres.url('postgres', 'nobody', 'x') }, /ADMIN_DATABASE_URL cannot be used: .*nobody/],
    [
      { AUTH_DATABASE: 'auth_b' },
      /The database auth_b cannot be used .* because it only serves.* run `tenantry setup`/,
    ],
  ];
  for (const [settings, message] of refusals) {
    await expect(startTestApp({ ...env, ...settings }), String(message)).rejects.toThrow(message);
  }
  await postgres.rows(`DELETE FROM migration_history WHERE name ~ 'notify_if_room'`, [], 'auth');
  await expect(startTestApp(env)).rejects.toThrow(/The database auth lacks 1 migrations/);
});
