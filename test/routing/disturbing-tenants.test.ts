import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roleSettings } from '../../src/routing/tenant-session.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

const lockAll = 'SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 10000000) g';
const heldLocks = `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1`;

const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);

describe.each(['a superuser', 'a role that may create databases and roles'])(
  'a tenant that disturbs others, on a server of %s',
  (admin) => {
    const isSuperuser = admin === 'a superuser';
    let postgres: TestPostgres;
    let app: TestApp;
    let tenants: TestTenant[];
    beforeAll(async () => {
      postgres = await startTestPostgres();
      const url = isSuperuser ? postgres.url('postgres') : await postgres.createRole('limited', 'secret');
      app = await startTestApp({ ...postgres.env, DATABASE_URL: url, TENANT_STATEMENT_TIMEOUT_MS: '4000' });
      tenants = await createTenants(app, ['DATABASE', 'SCHEMA', 'SCHEMA']);
    });
    afterAll(async () => {
      await app[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
    });

    const send = (tenant: TestTenant, sql: string) =>
      app.services.tenants.pool(tenant.row).use(
        // The error is caught inside, as a resolver may do.
        (client) => client.query(sql).then(({ rows }) => rows, String),
      );
    const placed = (slug: string) => tenants.find((tenant) => tenant.slug === slug) ?? expect.unreachable(slug);
    const places = ['database-0', 'schema-1'];

    it.each(places)('leaves no lock behind: %s', async (slug) => {
      // A slow machine takes longer for all locks than a statement may take.
      const all = /out of shared memory|statement timeout/;
      expect(await send(placed(slug), lockAll)).toMatch(isSuperuser ? /permission denied/ : all);
      // Nobody waits for the connection to be closed: it goes at once, with its locks.
      await expect.poll(() => postgres.rows(heldLocks), { timeout: 30_000 }).toEqual([{ count: 0 }]);
      for (const { member } of tenants) {
        expect(await app.ask('{ products { totalCount } }', member)).toEqual({ data: { products: { totalCount: 0 } } });
      }
    });

    it.runIf(isSuperuser).each(places)('may call nothing that others share: %s', async (slug) => {
      for (const call of [
        'pg_advisory_lock_shared(1)',
        'pg_advisory_xact_lock(1, 2)',
        'pg_try_advisory_lock(1)',
        'pg_try_advisory_xact_lock_shared(1)',
        'lo_create(0)',
        "lo_from_bytea(0, 'x')",
        'lo_open(1, 1)',
        "lowrite(0, 'x')",
        "pg_logical_emit_message(false, 'x', 'y')",
      ]) {
        expect(await send(placed(slug), `SELECT ${call}`), call).toMatch(/permission denied for function/);
      }
    });

    it('is stopped when a statement takes too long', async () => {
      expect(await send(placed('database-0'), 'SELECT pg_sleep(600)')).toMatch(/statement timeout/);
    });

    it('is cured of what its role has set for itself when its password is renewed', async () => {
      const { row, member } = placed('schema-1');
      for (const place of ['', 'IN DATABASE shared']) {
        await send(placed('schema-1'), `ALTER ROLE CURRENT_USER ${place} SET default_transaction_read_only = on`);
      }
      await send(placed('schema-1'), `ALTER ROLE CURRENT_USER PASSWORD 'another'`);
      await app.services.tenants.close(row);
      const product = 'mutation { createProduct(input: { sku: "s", name: "n", price: "1", currency: "EUR" }) { sku } }';
      // The session in which the refusal is noticed begins with the password, and without the settings.
      expect(await app.ask(product, member)).toEqual({ data: { createProduct: { sku: 's' } } });
      const settings = await postgres.rows<{ name: string }>(
        `SELECT DISTINCT setdatabase::int AS place, split_part(unnest(setconfig), '=', 1) AS name FROM pg_db_role_setting`,
      );
      // The limits and settings of each tenant's role are not the tenant's own.
      const names = Object.keys({
        ...roleSettings(1000),
        search_path: '',
        ...(isSuperuser && { temp_file_limit: '' }),
      });
      expect(settings.toSorted(byName)).toEqual(names.map((name) => ({ place: 0, name })).toSorted(byName));
    });

    it('leaves nothing that keeps its role from being removed', async () => {
      const { row } = placed('schema-2');
      const role = `tenant_${row.key}`;
      for (const database of ['shared', 'postgres']) {
        await postgres.rows(
          `SET ROLE "${role}"; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC; RESET ROLE;
           DO $$ BEGIN EXECUTE format('ALTER LARGE OBJECT %s OWNER TO "${role}"', lo_create(0)); END $$`,
          undefined,
          database,
        );
      }
      await app.services.tenants.close(row);
      await postgres.rows(`UPDATE tenants SET status = 'DELETING' WHERE id = $1`, [row.id], 'auth');
      await recoverTenants(app.services.provisioning);
      expect(await postgres.rows('SELECT FROM pg_roles WHERE rolname = $1', [role])).toEqual([]);
    });
  },
);
