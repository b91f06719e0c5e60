import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builder } from '../../src/api/builder.ts';
import { settling } from '../support/backends.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

/** The resolver forgets its transaction, and PostgreSQL ends the connection under it. */
builder.queryField('loseTransaction', (t) =>
  t.boolean({
    authScopes: { tenantMember: true },
    resolve: async (_root, _args, { tenant }) => {
      await tenant.em.begin();
      await tenant.em.execute('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
      return true;
    },
  }),
);

describe('the connections of a tenant', () => {
  let app: TestApp;
  let tenants: TestTenant[];
  beforeAll(async () => {
    app = await startTestApp();
    tenants = await createTenants(app, ['DATABASE', 'SCHEMA']);
  });
  afterAll(() => app[Symbol.asyncDispose]());

  const server = () => app.services.servers.get('default') ?? expect.unreachable();
  const askAll = (tenant: TestTenant) =>
    Promise.all(Array.from({ length: 20 }, () => app.ask('{ products { totalCount } }', tenant.member)));
  const answered = Array.from({ length: 20 }, () => ({ data: { products: { totalCount: 0 } } }));

  /** As after a change of the secret from which passwords are derived. */
  async function changePasswords(): Promise<void> {
    for (const { row } of tenants) {
      await server().admin((admin) => admin.query(`ALTER ROLE "tenant_${row.key}" PASSWORD 'another'`));
      await app.services.tenants.close(row);
    }
  }

  it('are opened again when the password of its role has changed, for all requests at once', async () => {
    await changePasswords();
    expect(await Promise.all(tenants.map(askAll))).toEqual([answered, answered]);
    await changePasswords();
    for (const { row } of tenants) {
      const { rows } = await app.services.tenants
        .pool(row)
        .use((client) => client.query('SELECT current_user AS role'));
      expect(rows).toEqual([{ role: `tenant_${row.key}` }]);
    }
  });

  it('keep no entity in memory, nor the rest of the fleet with it, when a plan has opened them', async () => {
    for (const { row } of tenants) await app.services.tenants.close(row);
    const plan = '{ migrationPlan(input: { verify: true }) { upToDateCount } }';
    expect(await app.ask(plan, app.admin)).toEqual({ data: { migrationPlan: { upToDateCount: 2 } } });
    const known = app.services.tenants.opened();
    expect(known.map(Object.getPrototypeOf)).toEqual([Object.prototype, Object.prototype]);
  });

  it('stay complete after transactions that were forgotten and then lost', async () => {
    for (const { member } of tenants) {
      for (let time = 1; time <= 8; time += 1) {
        expect(await app.ask('{ loseTransaction }', member)).toEqual({ data: { loseTransaction: true } });
      }
    }
    expect(await Promise.all(tenants.map(askAll))).toEqual([answered, answered]);
    await vi.waitFor(() => expect(server().stats.open - server().stats.idle).toBe(1), settling);
  });

  it('are closed with it, and opened again by the next request', async () => {
    const [tenant] = tenants;
    if (!tenant) throw new Error('the tenants are missing');
    await askAll(tenant);
    const roles = async () => {
      const { rows } = await server().admin((admin) =>
        admin.query<{ role: string }>('SELECT DISTINCT usename AS role FROM pg_stat_activity'),
      );
      return rows.map(({ role }) => role);
    };
    const role = `tenant_${tenant.row.key}`;
    expect(await roles()).toContain(role);
    await app.services.tenants.close(tenant.row);
    expect(await roles()).not.toContain(role);
    expect(await askAll(tenant)).toEqual(answered);
  });
});
