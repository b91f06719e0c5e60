import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { codeOf } from '../support/accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { attempt, connectAsTenant } from '../support/tenant-client.ts';
import { createTenants, type TestTenant } from '../support/tenants.ts';

const spill = 'SELECT count(*) FROM (SELECT g FROM generate_series(1, 3000000) g ORDER BY g DESC OFFSET 0) sorted';
const products = '{ products { totalCount } }';
const empty = { data: { products: { totalCount: 0 } } };

describe.each(['a superuser', 'a role that may create databases and roles'])(
  "a tenant's SQL, on a server whose admin is %s",
  (admin) => {
    const isSuperuser = admin === 'a superuser';
    let postgres: TestPostgres;
    let app: TestApp;
    let env: Record<string, string>;
    let attacker: TestTenant;
    let other: TestTenant;
    const clients: pg.Client[] = [];
    beforeAll(async () => {
      postgres = await startTestPostgres();
      const url = isSuperuser ? postgres.url('postgres') : await postgres.createRole('limited', 'secret');
      if (!isSuperuser) await postgres.rows('GRANT SET ON PARAMETER temp_file_limit TO limited');
      env = {
        ...postgres.env,
        DATABASE_URL: url,
        TENANT_POOL_SIZE: '2',
        TENANT_TEMP_FILE_MB: '10',
        TENANT_STATEMENT_TIMEOUT_MS: '1000',
        TENANT_TRANSACTION_TIMEOUT_MS: '3000',
        CONNECTION_WAIT_MS: '1500',
      };
      app = await startTestApp(env);
      const tenants = await createTenants(app, ['DATABASE', 'SCHEMA']);
      attacker = tenants[0] ?? expect.unreachable();
      other = tenants[1] ?? expect.unreachable();
    });
    afterEach(async () => {
      await Promise.all(clients.splice(0).map((client) => client.end()));
    });
    afterAll(async () => {
      await app[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
    });

    const connect = async (options?: { password?: string; to?: string }) => {
      const client = await connectAsTenant(postgres, attacker.row, options);
      clients.push(client);
      return client;
    };

    it('may set its own password, and gets no more connections by it than its limit', async () => {
      await attempt(await connect(), `ALTER ROLE CURRENT_USER PASSWORD 'mine'`);
      const connectAll = async () => {
        for (let count = clients.length; count < 50; count += 1) await connect({ password: 'mine' });
      };
      await expect(connectAll()).rejects.toThrow('too many connections for role');
      // Four times its pool; the request below found no connection in time, and the other tenant is served.
      expect(clients).toHaveLength(8);
      const [mine, theirs] = await Promise.all([app.ask(products, attacker.member), app.ask(products, other.member)]);
      expect(codeOf(mine)).toBe('SERVER_BUSY');
      expect(theirs).toEqual(empty);
      // One that comes free while a request waits is its.
      const waiting = app.ask(products, attacker.member);
      await Promise.all(clients.splice(0).map((client) => client.end()));
      expect(await waiting).toEqual(empty);
    });

    it('cannot lift the limit of its temporary files', async () => {
      const client = await connect();
      expect(await attempt(client, 'SET temp_file_limit = -1')).toMatch(/permission denied to set parameter/);
      expect(await attempt(client, `SET statement_timeout = 0`, `SET work_mem = '64kB'`, spill)).toMatch(
        /temporary file size exceeds "?temp_file_limit/,
      );
      expect(await attempt(client, 'ALTER ROLE CURRENT_USER SET temp_file_limit = -1')).toMatch(/permission denied/);
      await attempt(client, 'ALTER ROLE CURRENT_USER RESET ALL');
      expect(await attempt(client, 'ALTER ROLE CURRENT_USER RESET temp_file_limit')).toMatch(/permission denied/);
      expect(await attempt(client, 'ALTER ROLE CURRENT_USER CONNECTION LIMIT 100')).toMatch(/permission denied/);
      expect(await attempt(await connect(), 'SHOW temp_file_limit')).toEqual([{ temp_file_limit: '10MB' }]);
    });

    it('is ended when it lifts the time limit of its statements, or keeps a transaction open', async () => {
      const [sleeper, idler] = [await connect(), await connect()];
      const start = Date.now();
      const slept = attempt(sleeper, 'SET statement_timeout = 0', 'SELECT pg_sleep(600)');
      const idle = new Promise((resolve) => idler.once('end', resolve));
      await attempt(idler, 'SET idle_in_transaction_session_timeout = 0', 'BEGIN', 'SELECT 1');
      expect(await slept).toMatch(/terminating connection due to administrator command/);
      await idle;
      // The transaction may take 3 s, a statement 6; the server looks every 5 s.
      expect(Date.now() - start).toBeLessThan(45_000);
    });

    it.runIf(isSuperuser)('cannot enter the databases of PostgreSQL itself', async () => {
      for (const to of ['postgres', 'template1']) {
        await expect(connect({ to }), to).rejects.toThrow(/permission denied for database/);
      }
    });

    it.runIf(isSuperuser)('learns nothing of what others do, only names', async () => {
      const client = await connect();
      for (const source of [
        'pg_stat_database',
        'pg_stat_activity',
        'pg_stat_all_tables',
        'pg_statio_all_tables',
        'pg_locks',
        "pg_relation_size('pg_class')",
        "pg_database_size('auth')",
      ]) {
        expect(await attempt(client, `SELECT * FROM ${source}`), source).toMatch(/permission denied for function/);
      }
      // PostgreSQL shows these to everyone, and docs/how-it-works.md says so.
      expect(await attempt(client, `SELECT datname FROM pg_database WHERE datname = 'auth'`)).toHaveLength(1);
    });

    it('doctor reports roles and databases without these limits, and fixes them', async () => {
      const role = `"tenant_${attacker.row.key}"`;
      await postgres.rows(`ALTER ROLE ${role} CONNECTION LIMIT -1; ALTER ROLE ${role} RESET temp_file_limit`);
      await postgres.rows(`ALTER ROLE ${role} IN DATABASE ${attacker.row.database} SET statement_timeout = 0`);
      if (isSuperuser) {
        await postgres.rows('GRANT EXECUTE ON FUNCTION pg_stat_get_activity TO PUBLIC', [], attacker.row.database);
      }
      const found = await runCommand(['doctor'], { NODE_ENV: 'test', ...env });
      expect(found.stdout).toContain(
        `✗ Roles of tenants on the server default have other limits or settings than they should`,
      );
      if (isSuperuser) expect(found.stdout).toContain(`✗ In 1 databases on the server default`);
      else expect(found.stdout).toContain('! Every role may connect to the database template1');
      const fixed = await runCommand(['doctor', '--fix', '--yes'], { NODE_ENV: 'test', ...env });
      expect(fixed.exit, fixed.stdout).toBe(0);
      const [bounds] = await postgres.rows('SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = $1', [
        `tenant_${attacker.row.key}`,
      ]);
      expect(bounds).toEqual({
        rolconnlimit: 8,
        rolconfig: expect.arrayContaining(['temp_file_limit=10MB', 'statement_timeout=1000']),
      });
      expect(await postgres.rows('SELECT setrole FROM pg_db_role_setting WHERE setdatabase <> 0')).toEqual([]);
    });

    it('has its limits changed by a start with other settings', async () => {
      await using again = await startTestApp({ ...env, TENANT_CONNECTION_LIMIT: '5' });
      const rows = await postgres.rows(`SELECT DISTINCT rolconnlimit FROM pg_roles WHERE rolname ~ '^tenant_'`);
      expect(rows).toEqual([{ rolconnlimit: 5 }]);
      expect(await again.ask(products, other.member)).toEqual(empty);
    });
  },
);
