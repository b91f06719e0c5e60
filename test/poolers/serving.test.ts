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
import type { TestTenant } from '../support/tenants.ts';

it.runIf(hasPgBouncer)(
  `a process that only serves behind PgBouncer has roles and sessions renewed by one with an admin${whyNoPgBouncer}`,
  async () => {
    await using place = await startPooledInstallation('a superuser');
    const { postgres, env, tenants, send, endSessions } = place;
    const DATABASE_URL = await postgres.createRole('web', 'secret', 'NOSUPERUSER');
    await using serving = await startTestApp({ ...env, DATABASE_URL, WORKER: 'off' });
    const [first = expect.unreachable(), second = expect.unreachable()] = tenants;
    const answer = ({ member }: TestTenant) =>
      vi.waitFor(async () => expect(await serving.ask(productList, member)).toEqual(productsAre()), settling);
    for (const tenant of tenants) await answer(tenant);

    // One for each, because what a process asks for may be done again a moment later.
    await send(first, 'ALTER ROLE CURRENT_USER SET statement_timeout = 0');
    await postgres.rows(`ALTER ROLE tenant_${second.row.key} PASSWORD 'another'`);
    for (const tenant of tenants) {
      await serving.services.tenants.close(tenant.row);
      await endSessions(tenant);
      await answer(tenant);
      const { rows } = await serving.services.tenants.pool(tenant.row).use((client) => client.query(sessionSettings));
      expect(rows).toEqual(settingsIn(tenant.row.schema));
    }
  },
);
