import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { settling } from '../support/backends.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer, whyNoPgBouncer } from '../support/start-pgbouncer.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

const list = '{ products(first: 5) { totalCount nodes { sku } } }';
const nothing = { data: { products: { totalCount: 0, nodes: [] } } };
const settings = `SELECT current_setting('search_path') AS path, current_setting('TimeZone') AS zone,
  current_setting('DateStyle') AS style, current_setting('jit') AS jit, current_setting('statement_timeout') AS statement,
  current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('application_name') AS name`;

describe.runIf(hasPgBouncer).each(['a superuser', 'a role that may create databases and roles'])(
  `requests behind PgBouncer, with ${'%s'} as the admin${whyNoPgBouncer}`,
  (admin) => {
    let postgres: TestPostgres;
    let pooler: PgBouncer;
    let app: TestApp;
    let tenants: TestTenant[];
    beforeAll(async () => {
      // As on a server whose settings are somebody else's.
      postgres = await startTestPostgres({ timezone: 'Asia/Kolkata', datestyle: 'SQL,DMY' });
      // PgBouncer 1.18 asks for passwords in the tenants' databases, and a limited admin cannot end these sessions for a copy.
      pooler = await startPgBouncer(postgres, { settings: { server_idle_timeout: '1' } });
      const url =
        admin === 'a superuser' ? postgres.env.DATABASE_URL : await postgres.createRole('limited', 'its password');
      app = await startTestApp({
        ...postgres.env,
        DATABASE_URL: url,
        DATABASE_POOLER_URL: pooler.url,
        TENANT_STATEMENT_TIMEOUT_MS: '6000',
        CONNECTION_WAIT_MS: '3000',
      });
      tenants = await createTenants(app, ['DATABASE', 'SCHEMA']);
    });
    afterAll(async () => {
      await app?.[Symbol.asyncDispose]();
      await pooler?.[Symbol.asyncDispose]();
      await postgres?.[Symbol.asyncDispose]();
    });

    const ask = (query: string, { member }: TestTenant) => app.ask(query, member);
    const send = ({ row }: TestTenant, sql: string, signal?: AbortSignal) =>
      app.services.tenants.pool(row).use((client) => client.query(sql), signal);
    const roleOf = ({ row }: TestTenant) => `tenant_${row.key}`;
    const codeOf = async (query: string, tenant: TestTenant) =>
      (await ask(query, tenant)).errors?.map(({ extensions }) => extensions.code).join();

    /** Ends what PgBouncer keeps, so that the next statement logs in to PostgreSQL. */
    async function endSessions(tenant: TestTenant): Promise<void> {
      await app.services.tenants.close(tenant.row);
      await postgres.rows('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1', [
        roleOf(tenant),
      ]);
    }

    it('are answered, and only tenants connect to it', async () => {
      for (const tenant of tenants) expect(await ask(list, tenant)).toEqual(nothing);
      const users = (await pooler.console('SHOW CLIENTS')).map(({ user, database }) => ({ user, database }));
      const expected = tenants.map((tenant) => ({ user: roleOf(tenant), database: tenant.row.database }));
      expect(users.filter(({ database }) => database !== 'pgbouncer')).toEqual(expect.arrayContaining([...expected]));
      const others = users.filter(({ database }) => database !== 'pgbouncer');
      expect(others.filter(({ user }) => !String(user).startsWith('tenant_'))).toEqual([]);
    });

    it('have the settings of direct connections', async () => {
      for (const tenant of tenants) {
        const { rows } = await send(tenant, settings);
        expect(rows).toEqual([
          {
            path: `${tenant.row.schema}, common`,
            zone: 'UTC',
            style: 'ISO, MDY',
            jit: 'off',
            statement: '6s',
            idle: '1min',
            name: 'tenantry',
          },
        ]);
      }
      const [tenant] = tenants;
      await expect(tenant && send(tenant, 'SELECT pg_sleep(600)')).rejects.toThrow('statement timeout');
    });

    it('prepare no statement under a name', async () => {
      for (const tenant of tenants) {
        for (let time = 1; time <= 3; time += 1) await ask(list, tenant);
        expect((await send(tenant, 'SELECT name FROM pg_prepared_statements')).rows).toEqual([]);
      }
    });

    it('are aborted when nobody waits for them, sooner than by their timeout', async () => {
      for (const tenant of tenants) {
        const signal = AbortSignal.timeout(200);
        await expect(send(tenant, 'SELECT pg_sleep(600)', signal)).rejects.toThrow('timeout');
        const running = () =>
          postgres.rows(`SELECT FROM pg_stat_activity WHERE usename = $1 AND state = 'active'`, [roleOf(tenant)]);
        const start = performance.now();
        await vi.waitFor(async () => expect(await running()).toEqual([]), settling);
        expect(performance.now() - start).toBeLessThan(4_500);
      }
    });

    it('go on after a tenant has changed the settings of its own role', async () => {
      for (const tenant of tenants) {
        await send(tenant, 'ALTER ROLE CURRENT_USER SET statement_timeout = 0');
        await send(tenant, `ALTER ROLE CURRENT_USER SET timezone = 'Europe/Berlin'`);
        await send(tenant, `ALTER ROLE CURRENT_USER IN DATABASE ${tenant.row.database} SET search_path = pg_catalog`);
        await endSessions(tenant);
        expect(await ask(list, tenant)).toEqual(nothing);
        const { rows } = await send(tenant, settings);
        expect(rows).toMatchObject([{ path: `${tenant.row.schema}, common`, zone: 'UTC', statement: '6s' }]);
      }
    });

    it.each(["PASSWORD 'another'", 'NOLOGIN'])('go on after its role was altered: %s', async (change) => {
      for (const tenant of tenants) {
        await postgres.rows(`ALTER ROLE ${roleOf(tenant)} ${change}`);
        await endSessions(tenant);
        const answers = await Promise.all(Array.from({ length: 8 }, () => ask(list, tenant)));
        expect(answers).toEqual(Array(8).fill(nothing));
      }
    });

    it('say what is the matter when the database or the schema is gone', async () => {
      for (const isolation of ['DATABASE', 'SCHEMA']) {
        const slug = `lost-${isolation.toLowerCase()}`;
        const create = `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`;
        expect(await app.ask(create, app.admin)).not.toHaveProperty('errors');
        const row = (await app.services.directory.byReference(slug)) ?? expect.unreachable();
        const lost = { slug, row, member: await app.tokenFor(slug) };
        expect(await ask(list, lost)).toEqual(nothing);
        if (isolation === 'DATABASE') await postgres.rows(`DROP DATABASE ${row.database} WITH (FORCE)`);
        else await postgres.rows(`DROP SCHEMA ${row.schema} CASCADE`, [], row.database);
        // On the connection that there is, and on a new one.
        expect(await codeOf(list, lost)).toBe('TENANT_SUSPENDED');
        await app.services.tenants.close(row);
        expect(await codeOf(list, lost)).toBe('TENANT_SUSPENDED');
      }
    });

    it('wait for an admin while a tenant is suspended, and go on afterwards', async () => {
      for (const tenant of tenants) {
        const { slug } = tenant;
        await app.ask(`mutation { suspendTenant(id: "${slug}") { id } }`, app.admin);
        expect(await codeOf(list, tenant)).toBe('TENANT_SUSPENDED');
        await app.ask(`mutation { activateTenant(id: "${slug}") { id } }`, app.admin);
        expect(await ask(list, tenant)).toEqual(nothing);
      }
    });

    it('find what a checkpoint brought back, and what has moved, at its new place', async () => {
      const add = (sku: string) =>
        `mutation { createProduct(input: { sku: "${sku}", name: "n", price: "1", currency: "EUR" }) { sku } }`;
      for (const tenant of tenants) {
        const { slug, row } = tenant;
        const admins = async (mutation: string) => {
          const askers = `SELECT FROM pg_stat_activity WHERE usename = $1 AND datname = $2 AND application_name = ''`;
          const { user } = postgres.address;
          await vi.waitFor(async () => expect(await postgres.rows(askers, [user, row.database])).toEqual([]), settling);
          const answer = await app.ask(`mutation { ${mutation} }`, app.admin);
          expect(answer.errors, mutation).toBeUndefined();
          return answer.data;
        };
        expect(await ask(add('kept'), tenant)).not.toHaveProperty('errors');
        const made = await admins(`createCheckpoint(tenant: "${slug}") { id }`);
        expect(await ask(add('lost'), tenant)).not.toHaveProperty('errors');
        const { createCheckpoint } = made as { createCheckpoint: { id: string } };
        await admins(`restoreCheckpoint(id: "${createCheckpoint.id}", acceptDataLoss: true) { id }`);
        const kept = { data: { products: { totalCount: 1, nodes: [{ sku: 'kept' }] } } };
        expect(await ask(list, tenant)).toEqual(kept);
        const isolation = row.isolation === 'DATABASE' ? 'SCHEMA' : 'DATABASE';
        await admins(`moveTenant(input: { tenant: "${slug}", isolation: ${isolation}, keepHours: 1 }) { id }`);
        const where = async () => {
          const { data } = await app.ask(`{ tenant(slug: "${slug}") { isolation status } }`, app.admin);
          return data?.tenant;
        };
        await vi.waitFor(async () => expect(await where()).toEqual({ isolation, status: 'ACTIVE' }), settling);
        expect(await ask(list, tenant)).toEqual(kept);
        // The old place has neither a login nor a session any more.
        await expect(send(tenant, 'SELECT 1')).rejects.toThrow();
        const old = await postgres.rows('SELECT datname FROM pg_stat_activity WHERE usename = $1', [roleOf(tenant)]);
        expect(old).toEqual([]);
      }
    });

    it('fail with SERVER_BUSY while it is down, and what the admin does goes on', async () => {
      const [tenant] = tenants;
      if (!tenant) throw new Error('the tenants are missing');
      await pooler.stop();
      const answer = await ask(list, tenant);
      expect(answer.errors).toMatchObject([{ extensions: { code: 'SERVER_BUSY' } }]);
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
      await vi.waitFor(async () => expect(await app.ask(list, token)).toEqual(nothing), settling);
      await expect.poll(health, settling).toEqual({ status: 'OK', databases: databases(true) });
    });
  },
);
