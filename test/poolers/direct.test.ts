import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

/** The pooler's address is PostgreSQL's own here: what is sent, and where settings are from, needs no pooler. */
describe('connections to a pooler', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  let tenants: TestTenant[];
  beforeAll(async () => {
    postgres = await startTestPostgres({ timezone: 'Asia/Kolkata' });
    {
      await using before = await startTestApp(postgres.env);
      tenants = await createTenants(before, ['DATABASE', 'SCHEMA']);
      // As an earlier version has made them.
      for (const { row } of tenants) await postgres.rows(`ALTER ROLE tenant_${row.key} RESET ALL`);
    }
    app = await startTestApp({ ...postgres.env, DATABASE_POOLER_URL: postgres.env.DATABASE_URL });
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  it('send no settings, and sessions have those of their role, also one that an earlier version has made', async () => {
    for (const { row } of tenants) {
      const { rows } = await app.services.tenants
        .pool(row)
        .use((client) =>
          client.query(
            `SELECT name, source FROM pg_settings WHERE name IN ('TimeZone', 'search_path', 'statement_timeout', 'application_name')`,
          ),
        );
      expect(rows.map(({ source }) => source)).toEqual(Array(4).fill('user'));
      const settings = await app.services.tenants
        .pool(row)
        .use((client) =>
          client.query(`SELECT current_setting('TimeZone') AS zone, current_setting('search_path') AS path`),
        );
      expect(settings.rows).toEqual([{ zone: 'UTC', path: `${row.schema}, common` }]);
    }
  });

  it('answer while roles lose their settings, because they are set again', async () => {
    for (const { row, member } of tenants) {
      await postgres.rows(`ALTER ROLE tenant_${row.key} RESET ALL`);
      await app.services.tenants.close(row);
      expect(await app.ask('{ products { totalCount } }', member)).toEqual({ data: { products: { totalCount: 0 } } });
      const { rows } = await app.services.tenants.pool(row).use((client) => client.query('SHOW timezone'));
      expect(rows).toEqual([{ TimeZone: 'UTC' }]);
    }
  });

  it('go to PostgreSQL itself for everything else', async () => {
    const server = app.services.servers.get('default') ?? expect.unreachable();
    const { rows } = await server.admin((client) =>
      client.query(`SELECT source FROM pg_settings WHERE name = 'TimeZone'`),
    );
    expect(rows).toEqual([{ source: 'client' }]);
  });
});
