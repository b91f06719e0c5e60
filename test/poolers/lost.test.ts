import { expect } from 'vitest';
import { itPooled, productList, productsAre } from '../support/pooled-installation.ts';

itPooled(
  'a tenant behind PgBouncer that is lost is refused with the reason, on the connection that there is and on a new one',
  'a role that may create databases and roles',
  async ({ app, postgres, tenants }) => {
    for (const { row, member } of tenants) {
      const code = async () => (await app.ask(productList, member)).errors?.map(({ extensions }) => extensions.code);
      expect(await app.ask(productList, member)).toEqual(productsAre());
      if (row.isolation === 'DATABASE') await postgres.rows(`DROP DATABASE ${row.database} WITH (FORCE)`);
      else await postgres.rows(`DROP SCHEMA ${row.schema} CASCADE`, [], row.database);
      expect(await code()).toEqual(['TENANT_SUSPENDED']);
      await app.services.tenants.close(row);
      expect(await code()).toEqual(['TENANT_SUSPENDED']);
    }
  },
);
