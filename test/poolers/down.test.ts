import { expect } from 'vitest';
import { settling } from '../support/backends.ts';
import { expectProducts, itPooled, productList } from '../support/pooled-installation.ts';

itPooled(
  'while the pooler is down, requests fail with SERVER_BUSY, and what the admin does goes on',
  'a superuser',
  async ({ app, pooler, tenants }) => {
    await pooler.stop();
    for (const { member } of tenants) {
      const { errors } = await app.ask(productList, member);
      expect(errors).toMatchObject([{ extensions: { code: 'SERVER_BUSY' } }]);
    }
    const health = async () => {
      const { data } = await app.ask('{ health { status databases { name ok } } }', app.admin);
      return data?.health;
    };
    const databases = (ok: boolean) => expect.arrayContaining([{ name: 'the connection pooler', ok }]);
    await expect.poll(health, settling).toEqual({ status: 'DEGRADED', databases: databases(false) });
    const create = 'mutation { createTenant(input: { slug: "meanwhile", name: "x" }) { status } }';
    expect(await app.ask(create, app.admin)).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
    await pooler.start();
    await expectProducts(app, await app.tokenFor('meanwhile'));
    await expect.poll(health, settling).toEqual({ status: 'OK', databases: databases(true) });
  },
);
