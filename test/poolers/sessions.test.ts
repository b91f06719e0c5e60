import { expect, it, vi } from 'vitest';
import { settling } from '../support/backends.ts';
import {
  describePooled,
  productList,
  productsAre,
  sessionSettings,
  settingsIn,
} from '../support/pooled-installation.ts';

describePooled('requests behind PgBouncer', (place) => {
  it('are answered, and only tenants connect to it', async () => {
    const { app, pooler, tenants } = place();
    for (const { member } of tenants) expect(await app.ask(productList, member)).toEqual(productsAre());
    const clients = (await pooler.console('SHOW CLIENTS')).map(({ user, database }) => ({ user, database }));
    const expected = tenants.map(({ row }) => ({ user: `tenant_${row.key}`, database: row.database }));
    expect(clients).toEqual(expect.arrayContaining(expected));
    const others = clients.filter(({ user }) => !String(user).startsWith('tenant_'));
    expect(others.filter(({ database }) => database !== 'pgbouncer')).toEqual([]);
  });

  it('have the settings of direct connections, and prepare no statement under a name', async () => {
    const { app, tenants, send } = place();
    for (const tenant of tenants) {
      expect((await send(tenant, sessionSettings)).rows).toEqual(settingsIn(tenant.row.schema));
      for (let time = 1; time <= 3; time += 1) await app.ask(productList, tenant.member);
      expect((await send(tenant, 'SELECT name FROM pg_prepared_statements')).rows).toEqual([]);
    }
  });

  it('are aborted when nobody waits for them, sooner than by their timeout, and the pooler goes on', async () => {
    const { app, postgres, tenants, send } = place();
    const abort = async ({ row }: (typeof tenants)[number]) => {
      const running = () =>
        postgres.rows(`SELECT FROM pg_stat_activity WHERE usename = $1 AND state = 'active'`, [`tenant_${row.key}`]);
      await vi.waitFor(async () => expect(await running()).toHaveLength(1), settling);
      const start = performance.now();
      await vi.waitFor(async () => expect(await running()).toEqual([]), settling);
      expect(performance.now() - start).toBeLessThan(4_500);
    };
    await Promise.all(
      tenants.map(async (tenant) => {
        const signal = AbortSignal.timeout(500);
        const aborted = abort(tenant);
        await expect(send(tenant, 'SELECT pg_sleep(600)', signal)).rejects.toThrow('timeout');
        await aborted;
        expect(await app.ask(productList, tenant.member)).toEqual(productsAre());
      }),
    );
  });
});
