import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { codeOf } from '../support/accounts.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

/** Sources that end by themselves never; one asks for the request's tenant, the other is for anybody. */
async function* endless(): AsyncGenerator<string> {
  yield 'one';
  await new Promise<void>(() => {});
}
builder.subscriptionFields((t) => ({
  ofTenant: t.string({ authScopes: { tenantMember: true }, subscribe: endless, resolve: String }),
  ofAnybody: t.string({ authScopes: { anyone: true }, subscribe: endless, resolve: String }),
}));

const products = '{ products { totalCount } }';

describe('a tenant that is suspended', () => {
  let postgres: TestPostgres;
  let apps: TestApp[];
  let servers: Listening[];
  let tenants: TestTenant[];
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const env = { ...postgres.env, JWT_SECRET: 'the secret of the tests of suspending' };
    apps = [await startTestApp(env), await startTestApp(env)];
    servers = await Promise.all(apps.map(({ yoga }) => listen(yoga)));
    tenants = await createTenants(first(), ['DATABASE', 'SCHEMA', 'SCHEMA']);
  });
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    for (const app of apps) await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const first = () => apps[0] ?? expect.unreachable();
  const change = (operation: 'suspendTenant' | 'activateTenant', id: string) =>
    first().ask(`mutation { ${operation}(id: "${id}") { status } }`, first().admin);
  const codes = async ({ member }: TestTenant) =>
    Promise.all(apps.map(async (app) => codeOf(await app.ask(products, member))));
  const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000 });
  const sessions = async ({ row }: TestTenant) =>
    (await postgres.rows('SELECT FROM pg_stat_activity WHERE usename = $1', [`tenant_${row.key}`])).length;

  it('is refused by every process, which closes its connections to it, until it is activated', async () => {
    for (const tenant of tenants.slice(0, 2)) {
      expect(await codes(tenant)).toEqual([undefined, undefined]);
      expect(await sessions(tenant)).toBeGreaterThanOrEqual(2);
      expect(await change('suspendTenant', tenant.slug)).toEqual({ data: { suspendTenant: { status: 'SUSPENDED' } } });
      await until(async () => expect(await codes(tenant)).toEqual(['TENANT_SUSPENDED', 'TENANT_SUSPENDED']));
      await until(async () => expect(await sessions(tenant)).toBe(0));
      // Once more changes nothing; and by its id.
      expect(await change('suspendTenant', tenant.row.id)).toMatchObject({ data: {} });
      expect(await change('activateTenant', tenant.row.id)).toEqual({ data: { activateTenant: { status: 'ACTIVE' } } });
      await until(async () => expect(await codes(tenant)).toEqual([undefined, undefined]));
    }
  });

  it('ends its subscriptions, and says why, but not those that did not ask for the tenant', async () => {
    const [tenant = expect.unreachable()] = tenants;
    const ending = new AbortController();
    const open = async (server: Listening, field: string) => {
      const events = server.subscribe(`subscription { ${field} }`, tenant.member, ending.signal);
      expect((await events.next()).value).toEqual({ data: { [field]: 'one' } });
      return events;
    };
    const before = first().services.listener.handlerCount('tenants');
    const closing = await Promise.all(servers.map((server) => open(server, 'ofTenant')));
    const staying = await open(servers[0] ?? expect.unreachable(), 'ofAnybody');
    const next = staying.next();
    await change('suspendTenant', tenant.slug);
    for (const events of closing) {
      const message = `The tenant ${tenant.slug} is not available at present`;
      expect((await events.next()).value).toMatchObject({
        errors: [{ message, extensions: { code: 'TENANT_SUSPENDED' } }],
      });
      expect(await events.next()).toEqual({ done: true, value: 'complete' });
    }
    expect(await Promise.race([next, 'still open'])).toBe('still open');
    ending.abort();
    await expect(next).rejects.toThrow('abort');
    expect(first().services.listener.handlerCount('tenants')).toBe(before);
    await change('activateTenant', tenant.slug);
  });

  it('ends its subscriptions in every process when it has moved, because they know only the old place', async () => {
    const [tenant = expect.unreachable()] = tenants;
    const ending = new AbortController();
    const open = await Promise.all(
      servers.map(async (server) => {
        const events = server.subscribe('subscription { ofTenant }', tenant.member, ending.signal);
        expect((await events.next()).value).toEqual({ data: { ofTenant: 'one' } });
        return events;
      }),
    );
    const input = `{ tenant: "${tenant.slug}", isolation: SCHEMA, keepHours: 0 }`;
    const { errors } = await first().ask(`mutation { moveTenant(input: ${input}) { id } }`, first().admin);
    expect(errors).toBeUndefined();
    for (const events of open) {
      const message = `The tenant ${tenant.slug} has moved. Subscribe again.`;
      expect((await events.next()).value).toMatchObject({ errors: [{ message, extensions: { code: 'TENANT_BUSY' } }] });
      expect(await events.next()).toEqual({ done: true, value: 'complete' });
    }
    expect(await codes(tenant)).toEqual([undefined, undefined]);
    ending.abort();
  });

  it.each([
    ['MAINTENANCE', 'TENANT_BUSY'],
    ['PROVISIONING', 'TENANT_BUSY'],
    ['NEEDS_ATTENTION', 'CONFLICT'],
    ['DELETING', 'CONFLICT'],
  ])('is neither suspended nor activated while it is %s', async (status, code) => {
    const { row } = tenants[2] ?? expect.unreachable();
    // The process is this one, so that none takes it for abandoned.
    const set = (to: string) =>
      postgres.rows(
        'UPDATE tenants SET status = $2, claimed_by = $3 WHERE id = $1 RETURNING status',
        [row.id, to, first().services.listener.instance],
        'auth',
      );
    first().services.provisioning.inProgress.begin(row.id);
    await set(status);
    expect(codeOf(await change('suspendTenant', row.slug))).toBe(code);
    expect(codeOf(await change('activateTenant', row.slug))).toBe(code);
    expect(await postgres.rows('SELECT status FROM tenants WHERE id = $1', [row.id], 'auth')).toEqual([{ status }]);
    await set('ACTIVE');
  });

  it('is written to the audit log, as is a refusal', async () => {
    const [tenant = expect.unreachable()] = tenants;
    await postgres.rows(`UPDATE tenants SET status = 'NEEDS_ATTENTION' WHERE id = $1`, [tenant.row.id], 'auth');
    await change('activateTenant', tenant.slug);
    await postgres.rows(`UPDATE tenants SET status = 'ACTIVE' WHERE id = $1`, [tenant.row.id], 'auth');
    await change('suspendTenant', tenant.slug);
    const text = `{ auditLog(tenant: "${tenant.row.id}", first: 2) { nodes { action outcome tenant { slug } } } }`;
    expect((await first().ask(text, first().admin)).data?.auditLog).toEqual({
      nodes: [
        { action: 'suspendTenant', outcome: 'OK', tenant: { slug: tenant.slug } },
        { action: 'activateTenant', outcome: 'CONFLICT', tenant: { slug: tenant.slug } },
      ],
    });
  });
});
