import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findIdleLocks } from '../../src/doctor/stale-work.ts';
import { durableSequences } from '../support/postgres-settings.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { attempt, connectAsTenant } from '../support/tenant-client.ts';
import { createTenants } from '../support/tenants.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres(durableSequences);
});
afterAll(() => postgres[Symbol.asyncDispose]());

/** From PostgreSQL 16 on, CREATEROLE and memberships work in another way. */
const hasAdminOption = async () => {
  const [row] = await postgres.rows<{ is: boolean }>(
    `SELECT current_setting('server_version_num')::int >= 160000 AS is`,
  );
  return row?.is ?? false;
};

/** Settings of an installation of its own whose admin is a role that is not a superuser. */
const settingsOf = async (role: string, installation = role, attributes?: string) => ({
  ...postgres.env,
  NODE_ENV: 'test',
  DATABASE_URL: await postgres.createRole(role, 'secret', attributes),
  AUTH_DATABASE: `${installation}_auth`,
  CONSTANTS_DATABASE: `${installation}_constants`,
  SHARED_DATABASE: `${installation}_shared`,
});

const doctor = async (env: Record<string, string>) => (await runCommand(['doctor'], env)).stdout;

/** The statements that a text tells to run. */
const statementsIn = (text: string) => text.match(/GRANT [^;.\n]+ TO "\w+"/g) ?? [];

describe('the rights of an admin who is not a superuser', () => {
  it('are named by doctor when they are missing, with statements that grant them', async () => {
    const env = await settingsOf('plain');
    await using _app = await startTestApp(env);
    const found = await doctor(env);
    expect(found).toMatch(/! The temporary files of tenants' sessions have no limit\. A superuser can run: /);
    expect(found).toMatch(/! In a deadlock of a migration with a request, PostgreSQL may abort the request\. /);
    expect(found).toMatch(/! The role plain may not see how far replicas are behind, .*\. A superuser can run: /);
    const statements = statementsIn(found);
    expect(statements).toHaveLength(3);
    for (const sql of statements) await postgres.rows(sql);
    const warnings = (await doctor(env)).split('\n').filter((line) => line.startsWith('!'));
    expect(warnings).toEqual([
      expect.stringMatching(/^! Every role may connect to the database postgres, /),
      expect.stringMatching(/^! Every role may connect to the database template1, /),
      expect.stringMatching(/^! Tenants' SQL may call functions .* Only a superuser can revoke them$/),
    ]);
  });

  it('are named for added servers too', async () => {
    const env = await settingsOf('beside');
    await using app = await startTestApp(env);
    await using second = await startTestPostgres();
    await app.services.servers.add('eu', await second.createRole('there', 'secret'));
    const found = await doctor(env);
    expect(found).toContain('✓ The server eu answers\n');
    expect(found).toMatch(/! The temporary files of tenants' sessions on the server eu have no limit\. .* TO "there"/);
    expect(found).toContain('! The role there on the server eu may not see how far replicas are behind');
  });

  it('are those of another role that has set up the installation, if doctor is followed', async () => {
    await using app = await startTestApp(await settingsOf('first', 'inherited'));
    const [tenant] = await createTenants(app, ['DATABASE']);
    await app[Symbol.asyncDispose]();
    const env = await settingsOf('second', 'inherited');
    await expect(startTestApp(env)).rejects.toThrow(/permission denied/);
    const found = await doctor(env);
    expect(found).toMatch(
      /✗ The role second does not own 4 databases of this installation on the server default: \w+_\w+, /,
    );
    expect(found).toMatch(
      /Connect as the role that owns them, first, or let a superuser run: GRANT "first" TO "second"/,
    );
    const message = /✗ The role second may not change 4 roles of this installation on the server default: /;
    if (await hasAdminOption()) expect(found).toMatch(message);
    else expect(found).not.toMatch(message);
    await postgres.rows('GRANT "first" TO "second"');
    expect(await doctor(env)).toContain('All else is well.');
    await using again = await startTestApp(env);
    await createTenants(again, ['SCHEMA']);
    const purge = `mutation { deleteTenant(id: "${tenant?.slug}", slug: "${tenant?.slug}", purge: true) { slug } }`;
    expect(await again.ask(purge, again.admin)).toEqual({ data: { deleteTenant: { slug: tenant?.slug } } });
  });

  it('suffice to end the sessions of a tenant, whatever the role gets by itself of roles that it makes', async () => {
    const env = await settingsOf('bare', 'bare', 'CREATEDB CREATEROLE NOINHERIT');
    if (!(await hasAdminOption())) {
      expect(await doctor(env)).toContain('run: ALTER ROLE … INHERIT');
      return;
    }
    await postgres.rows(`ALTER ROLE bare SET createrole_self_grant = 'set'`);
    await using app = await startTestApp(env);
    for (const { slug, row } of await createTenants(app, ['DATABASE', 'SCHEMA'])) {
      const client = await connectAsTenant(postgres, row);
      const ended = new Promise((resolve) => client.once('end', resolve));
      await attempt(client, 'BEGIN', 'SELECT FROM products');
      const purge = `mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { slug } }`;
      expect(await app.ask(purge, app.admin)).toEqual({ data: { deleteTenant: { slug } } });
      await ended;
    }
  });

  it('do not suffice to end a session of a superuser that holds a lock, which doctor says', async () => {
    const env = await settingsOf('seeing');
    await using app = await startTestApp(env);
    const holder = await postgres.connect(env.AUTH_DATABASE);
    await holder.query('BEGIN; LOCK TABLE tenants IN ACCESS SHARE MODE');
    const databases = { auth: env.AUTH_DATABASE, shared: env.SHARED_DATABASE };
    const find = async () => {
      const server = app.services.servers.get('default') ?? expect.unreachable('there is no server');
      return findIdleLocks(server, { databases, idleLockSeconds: 0 });
    };
    expect(await find()).toEqual([]);
    await postgres.rows('GRANT pg_read_all_stats TO seeing');
    const [found] = await find();
    expect(found?.fix).toBeUndefined();
    expect(found?.remedy).toMatch(/^A superuser can end the session, .*: SELECT pg_terminate_backend\(\d+\)$/);
    await holder.query('ROLLBACK');
  });
});

describe('an extension that was made in the schema of a tenant', () => {
  it('may be moved by a superuser only, which doctor says, with statements that do it', async () => {
    const env = await settingsOf('moving');
    await using app: TestApp = await startTestApp(env);
    const [tenant] = await createTenants(app, ['SCHEMA']);
    const { database = '', schema = '' } = tenant?.row ?? {};
    await app.services.servers
      .get('default')
      ?.owner(database, (client) => client.query(`CREATE EXTENSION citext SCHEMA "${schema}"`));
    const found = await doctor(env);
    expect(found).toMatch(
      /✗ Extensions .* only a superuser may move them: citext in the schema tenant_\w+ of the tenant schema-0\n/,
    );
    const [, sql = ''] = /A superuser can run there: (.*)\n/.exec(found) ?? [];
    await postgres.rows(sql, [], database);
    expect(await doctor(env)).toContain('All else is well.');
  });
});
