import { expect } from 'vitest';
import { expectProducts, itPooled, sessionSettings, settingsIn } from '../support/pooled-installation.ts';
import { startTestApp } from '../support/start-app.ts';

itPooled(
  'a process that only serves behind PgBouncer has roles and sessions renewed by one with an admin',
  'a superuser',
  async ({ postgres, env, tenants, send, endSessions }) => {
    const DATABASE_URL = await postgres.createRole('web', 'secret', 'NOSUPERUSER');
    await using serving = await startTestApp({ ...env, DATABASE_URL, WORKER: 'off' });
    const [first = expect.unreachable(), second = expect.unreachable()] = tenants;
    for (const { member } of tenants) await expectProducts(serving, member);

    // One for each, because what a process asks for may be done again a moment later.
    await send(first, 'ALTER ROLE CURRENT_USER SET statement_timeout = 0');
    await postgres.rows(`ALTER ROLE tenant_${second.row.key} PASSWORD 'another'`);
    for (const tenant of tenants) {
      await serving.services.tenants.close(tenant.row);
      await endSessions(tenant);
      await expectProducts(serving, tenant.member);
      const { rows } = await serving.services.tenants.pool(tenant.row).use((client) => client.query(sessionSettings));
      expect(rows).toEqual(settingsIn(tenant.row.schema));
    }
  },
);
