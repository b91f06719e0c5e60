import { expect, it } from 'vitest';
import { startTestApp } from '../support/start-app.ts';
import { hasPgBouncer, startPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';
import { startTestPostgres } from '../support/start-postgres.ts';
import { createTenants } from '../support/tenants.ts';

it.runIf(hasPgBouncer)(
  `the sslmode of the pooler's URL decides on TLS, PostgreSQL's own does not${whyNoPgBouncer}`,
  async () => {
    await using postgres = await startTestPostgres();
    await using pooler = await startPgBouncer(postgres, { tls: true });
    for (const [mode, works] of [
      ['require', true],
      ['verify-full', false],
      ['disable', false],
    ] as const) {
      const env = { DATABASE_POOLER_URL: `${pooler.url}?sslmode=${mode}`, CONNECTION_WAIT_MS: '500' };
      await using app = await startTestApp({ ...postgres.env, ...env });
      // The installation is the same each time.
      const [row] = mode === 'require' ? await createTenants(app, ['DATABASE']) : [];
      const member = row?.member ?? (await app.tokenFor('database-0'));
      const answer = await app.ask('{ products { totalCount } }', member);
      if (works) expect(answer, mode).toEqual({ data: { products: { totalCount: 0 } } });
      else expect(answer.errors, mode).toMatchObject([{ extensions: { code: 'SERVER_BUSY' } }]);
      const clients = (await pooler.console('SHOW CLIENTS')).filter(({ user }) => String(user).startsWith('tenant_'));
      expect(clients.map(({ tls: version }) => String(version).slice(0, 3))).toEqual(works ? ['TLS'] : []);
    }
  },
);
