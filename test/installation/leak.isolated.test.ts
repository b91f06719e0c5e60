import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BackendWatch, settling } from '../support/backends.ts';
import { createNamedTenants, expectOwnRows, playRounds, rowsOf } from '../support/leak-lab.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import type { TestTenant } from '../support/tenants.ts';

const budget = 12;

/** Leaves something of every kind that PostgreSQL keeps for a session. */
const pollution = `SET search_path = pg_catalog; SET work_mem = '123kB'; SET default_transaction_read_only = on;
  SET SESSION AUTHORIZATION DEFAULT; PREPARE leak AS SELECT 1; LISTEN leak;
  DECLARE leak CURSOR WITH HOLD FOR SELECT 1; SELECT set_config('leak.secret', 'mine', false)`;
// A session that stays with its tenant keeps the statements of its lists, which are named after a hash of 43 characters.
const session = `SELECT (SELECT array_agg(name) FROM pg_settings WHERE source = 'session') AS settings,
  (SELECT array_agg(name) FROM pg_prepared_statements WHERE name !~ '^[-\\w]{43}$') AS statements,
  (SELECT array_agg(name) FROM pg_cursors) AS cursors,
  (SELECT array_agg(channel) FROM pg_listening_channels() AS channel) AS channels,
  current_setting('leak.secret', true) AS secret, current_schema() AS schema`;

describe('many tenants on few connections', () => {
  let app: TestApp;
  let tenants: TestTenant[];
  beforeAll(async () => {
    app = await startTestApp({ CONNECTION_BUDGET: String(budget), CONNECTION_WAIT_MS: '60000' });
    tenants = await createNamedTenants(app, 24);
  });
  afterAll(() => app[Symbol.asyncDispose]());

  it('are answered from their own place only, whatever went wrong before', async () => {
    const server = app.services.servers.get('default') ?? expect.unreachable();
    const address = server.address ?? expect.unreachable();
    await using watch = await BackendWatch.start({ ...address, database: address.maintenanceDatabase });
    const created = await playRounds(app, tenants);
    expect(await watch.peak()).toBeLessThanOrEqual(budget);
    // Only the listener holds a connection: none was lost on the way.
    await vi.waitFor(
      () => expect([server.stats.open - server.stats.idle, server.stats.waiting]).toEqual([1, 0]),
      settling,
    );

    await expectOwnRows(address, tenants, created);
  }, 400_000);

  it('find nothing in their sessions that another tenant left in its own', async () => {
    const clean = { settings: null, statements: null, cursors: null, channels: null, secret: null };
    const [polluters, others] = [tenants.slice(0, 12), tenants.slice(12)];
    const sessionOf = async ({ member }: TestTenant) =>
      JSON.parse(String((await app.ask(`{ session: ${rowsOf(session)} }`, member)).data?.session))[0];
    for (const tenant of polluters) {
      expect(await app.ask(`{ ${rowsOf(pollution)} }`, tenant.member)).not.toHaveProperty('errors');
      // The same connection comes back to the same tenant, so that there was something to find.
      expect(await sessionOf(tenant)).toEqual({
        settings: expect.arrayContaining(['search_path', 'work_mem', 'default_transaction_read_only']),
        statements: ['leak'],
        cursors: ['leak'],
        channels: ['leak'],
        secret: 'mine',
        schema: 'pg_catalog',
      });
      for (const other of others) expect(await sessionOf(other)).toEqual({ ...clean, schema: other.row.schema });
    }
  });
});
