import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNamedTenants, expectOwnRows, playRounds } from '../support/leak-lab.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import type { TestTenant } from '../support/tenants.ts';

describe.runIf(hasPgBouncer)(`many tenants behind PgBouncer in transaction mode${whyNoPgBouncer}`, () => {
  let postgres: TestPostgres;
  let pooler: PgBouncer;
  let app: TestApp;
  let tenants: TestTenant[];
  beforeAll(async () => {
    postgres = await startTestPostgres();
    // More clients than sessions, so that a client gets the sessions of others.
    pooler = await startPgBouncer(postgres, { settings: { default_pool_size: '2' } });
    app = await startTestApp({ ...postgres.env, DATABASE_POOLER_URL: pooler.url, CONNECTION_WAIT_MS: '60000' });
    tenants = await createNamedTenants(app, 30);
  });
  afterAll(async () => {
    await app?.[Symbol.asyncDispose]();
    await pooler?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  /** The sessions of tenants' roles in PostgreSQL, and whether PgBouncer has each of them. */
  async function sessions(): Promise<readonly { role: string; database: string; isPooled: boolean }[]> {
    const rows = await postgres.rows<{ role: string; database: string; port: number }>(
      `SELECT usename AS role, datname AS database, client_port AS port FROM pg_stat_activity WHERE usename LIKE 'tenant\\_%'`,
    );
    const ports = new Set((await pooler.console('SHOW SERVERS')).map((server) => server.local_port));
    return rows.map(({ role, database, port }) => ({ role, database, isPooled: ports.has(port) }));
  }

  it('are answered from their own place only, whatever went wrong before', async () => {
    const created = await playRounds(app, tenants);
    const found = await sessions();
    const places = new Map(tenants.map(({ row }) => [`tenant_${row.key}`, row.database]));
    expect(new Set(found.map(({ role }) => role)).size).toBeGreaterThan(20);
    for (const { role, database, isPooled } of found) {
      expect({ role, database, isPooled }).toEqual({ role, database: places.get(role), isPooled: true });
    }
    await expectOwnRows(postgres.connection, tenants, created);
  }, 400_000);
});
