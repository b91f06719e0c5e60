import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { codeOf, register } from '../support/accounts.ts';
import { captureLog } from '../support/log-lines.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { attempt, connectAsTenant } from '../support/tenant-client.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

let postgres: TestPostgres;
let apps: TestApp[];
let tenants: TestTenant[];
const written = captureLog();
beforeAll(async () => {
  // 512 kB instead of 8 GB, so that filling it takes no time.
  postgres = await startInstalledPostgres({ max_notify_queue_pages: '64' });
  apps = [await startTestApp(postgres.env, { log: written.log }), await startTestApp(postgres.env)];
  tenants = await createTenants(first(), ['DATABASE', 'SCHEMA', 'SCHEMA']);
});
afterAll(async () => {
  for (const app of apps) await app[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

const first = () => apps[0] ?? expect.unreachable();
const second = () => apps[1] ?? expect.unreachable();
const mutate = (text: string, headers = first().admin) => first().ask(`mutation { ${text} }`, headers);
const usage = async () => {
  const [row] = await postgres.rows<{ usage: number }>('SELECT pg_notification_queue_usage() AS usage');
  return row?.usage ?? 0;
};

it('keeps working when a tenant has filled the notification queue, reports it, and recovers when the tenant is suspended', async () => {
  const [attacker, other, third] = tenants;
  if (!attacker || !other || !third) throw new Error('There are three tenants');
  const person = await register(first(), 'somebody@example.com');
  // Each process knows the tenants, so that it has to learn of the change.
  for (const app of apps) expect(codeOf(await app.ask('{ products { totalCount } }', other.member))).toBeUndefined();

  const reader = await connectAsTenant(postgres, attacker.row);
  await attempt(reader, 'LISTEN flood', 'BEGIN', 'SELECT 1');
  const writer = await connectAsTenant(postgres, attacker.row);
  const flood = `SELECT pg_notify('flood', n || repeat('x', 7900)) FROM generate_series(1, 20) n`;
  let refusal: unknown;
  for (let times = 0; typeof refusal !== 'string' && times < 100; times += 1) refusal = await attempt(writer, flood);
  expect(refusal).toMatch(/too many notifications in the NOTIFY queue/);
  expect(await usage()).toBeGreaterThan(0.9);

  const created = await mutate('createTenant(input: { slug: "new", name: "x" }) { status }');
  expect(created).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
  expect(codeOf(await mutate(`logout(refreshToken: "${person.refreshToken}")`, person.headers))).toBeUndefined();
  const suspended = { status: 'SUSPENDED' };
  expect(await mutate(`suspendTenant(id: "${other.slug}") { status }`)).toEqual({ data: { suspendTenant: suspended } });
  await vi.waitFor(
    async () =>
      expect(codeOf(await second().ask('{ products { totalCount } }', other.member))).toBe('TENANT_SUSPENDED'),
    { timeout: 10_000 },
  );
  const run = await mutate('runMigrations(input: { wait: true }) { status }');
  expect(run).toEqual({ data: { runMigrations: { status: 'SUCCEEDED' } } });

  await vi.waitFor(
    async () => {
      const { data } = await first().ask('{ health { notificationQueueUsage } }', first().admin);
      expect(data).toEqual({ health: { notificationQueueUsage: expect.closeTo(1, 1) } });
    },
    { timeout: 10_000 },
  );
  const asked = await first().ask('{ health { notificationQueueUsage } }');
  expect(codeOf(asked)).toBe('UNAUTHENTICATED');
  expect(written.text()).toContain("PostgreSQL's notification queue is more than half full");
  const doctor = await runCommand(['doctor'], { NODE_ENV: 'test', ...postgres.env });
  expect(doctor.stdout).toMatch(/✗ PostgreSQL's notification queue is \d+ % full/);
  expect(doctor.stdout).toContain(`tenant_${attacker.row.key}`);

  const ended = new Promise((resolve) => reader.once('end', resolve));
  expect(await mutate(`suspendTenant(id: "${attacker.slug}") { status }`)).toEqual({
    data: { suspendTenant: suspended },
  });
  await ended;
  await vi.waitFor(async () => expect(await usage()).toBeLessThan(0.25), { timeout: 10_000 });
  expect(await attempt(writer, 'SELECT 1')).toMatch(/not queryable|terminat/);
  // Notifications arrive again, at once.
  expect(await mutate(`activateTenant(id: "${other.slug}") { status }`)).toMatchObject({ data: {} });
  await vi.waitFor(
    async () => expect(codeOf(await second().ask('{ products { totalCount } }', other.member))).toBeUndefined(),
    { timeout: 10_000 },
  );
});

it('keeps somebody out who has set the password of a tenant’s role, once the tenant is suspended', async () => {
  const tenant = tenants[2] ?? expect.unreachable();
  const client = await connectAsTenant(postgres, tenant.row);
  await attempt(client, `ALTER ROLE CURRENT_USER PASSWORD 'mine'`);
  const again = await connectAsTenant(postgres, tenant.row, { password: 'mine' });
  await mutate(`suspendTenant(id: "${tenant.slug}") { status }`);
  expect(await attempt(again, 'SELECT 1')).toMatch(/not queryable|terminat/);
  await expect(connectAsTenant(postgres, tenant.row, { password: 'mine' })).rejects.toThrow(/password authentication/);
  // A session with the derived password is ended all the same.
  const derived = await connectAsTenant(postgres, tenant.row);
  await new Promise((resolve) => derived.once('end', resolve));
});
