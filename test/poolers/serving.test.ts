import { expect, it, vi } from 'vitest';
import { settling } from '../support/backends.ts';
import {
  productList,
  productsAre,
  sessionSettings,
  settingsIn,
  startPooledInstallation,
} from '../support/pooled-installation.ts';
import { startTestApp } from '../support/start-app.ts';
import { hasPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';

it.runIf(hasPgBouncer)(
  `a process that only serves behind PgBouncer has roles and sessions renewed by one with an admin${whyNoPgBouncer}`,
  async () => {
    await using place = await startPooledInstallation('a superuser');
    const { postgres, env, tenants, send, endSessions } = place;
    const DATABASE_URL = await postgres.createRole('web', 'secret', 'NOSUPERUSER');
    await using serving = await startTestApp({ ...env, DATABASE_URL, WORKER: 'off' });
    for (const tenant of tenants) {
      const { row, member } = tenant;
      const answered = () =>
        vi.waitFor(async () => expect(await serving.ask(productList, member)).toEqual(productsAre()), settling);
      await answered();

      await send(tenant, 'ALTER ROLE CURRENT_USER SET statement_timeout = 0');
      await serving.services.tenants.close(row);
      await endSessions(tenant);
      await answered();
      const { rows } = await serving.services.tenants.pool(row).use((client) => client.query(sessionSettings));
      expect(rows).toEqual(settingsIn(row.schema));

      await postgres.rows(`ALTER ROLE tenant_${row.key} PASSWORD 'another'`);
      await serving.services.tenants.close(row);
      await endSessions(tenant);
      await answered();
    }
  },
);
