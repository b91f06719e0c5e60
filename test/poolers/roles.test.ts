import { expect, it, vi } from 'vitest';
import { settling } from '../support/backends.ts';
import {
  describePooled,
  expectProducts,
  productList,
  productsAre,
  sessionSettings,
  settingsIn,
} from '../support/pooled-installation.ts';

describePooled('tenants behind PgBouncer', (place) => {
  it('are answered after one has changed the settings of its own role, also while many ask', async () => {
    const { app, tenants, send, endSessions } = place();
    for (const tenant of tenants) {
      const { database, schema } = tenant.row;
      await send(tenant, 'ALTER ROLE CURRENT_USER SET statement_timeout = 0');
      await send(tenant, `ALTER ROLE CURRENT_USER SET timezone = 'Europe/Berlin'`);
      await send(tenant, `ALTER ROLE CURRENT_USER IN DATABASE ${database} SET search_path = pg_catalog`);
      await endSessions(tenant);
      const answers = await Promise.all(Array.from({ length: 8 }, () => app.ask(productList, tenant.member)));
      expect(answers).toEqual(Array(8).fill(productsAre()));
      expect((await send(tenant, sessionSettings)).rows).toEqual(settingsIn(schema));
    }
  });

  it.each(["PASSWORD 'another'", 'NOLOGIN'])('are answered after their role was altered: %s', async (change) => {
    const { app, postgres, tenants, endSessions } = place();
    for (const tenant of tenants) {
      await postgres.rows(`ALTER ROLE tenant_${tenant.row.key} ${change}`);
      await endSessions(tenant);
      const answers = await Promise.all(Array.from({ length: 8 }, () => app.ask(productList, tenant.member)));
      expect(answers).toEqual(Array(8).fill(productsAre()));
    }
  });

  it('wait for an admin while they are suspended, and go on afterwards', async () => {
    const { app, tenants } = place();
    for (const { slug, member } of tenants) {
      const ask = () => app.ask(productList, member);
      const refused = { errors: [{ extensions: { code: 'TENANT_SUSPENDED' } }] };
      await app.ask(`mutation { suspendTenant(id: "${slug}") { id } }`, app.admin);
      // A process learns of either by a notification.
      await vi.waitFor(async () => expect(await ask()).toMatchObject(refused), settling);
      await app.ask(`mutation { activateTenant(id: "${slug}") { id } }`, app.admin);
      await expectProducts(app, member);
    }
  });
});
