import { expect, it, vi } from 'vitest';
import { settling } from '../support/backends.ts';
import { productList, productsAre, startPooledInstallation } from '../support/pooled-installation.ts';
import { hasPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';

it.runIf(hasPgBouncer)(
  `while the pooler is down, requests fail with SERVER_BUSY, and what the admin does goes on${whyNoPgBouncer}`,
  async () => {
    await using place = await startPooledInstallation('a superuser');
    const { app, pooler, tenants } = place;
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
    const token = await app.tokenFor('meanwhile');
    await vi.waitFor(async () => expect(await app.ask(productList, token)).toEqual(productsAre()), settling);
    await expect.poll(health, settling).toEqual({ status: 'OK', databases: databases(true) });
  },
);
