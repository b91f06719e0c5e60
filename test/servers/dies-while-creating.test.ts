import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';
import { tellTalePassword } from '../support/tell-tale-password.ts';

describe('a PostgreSQL server that dies while tenants are created on it', () => {
  const isolations = ['DATABASE', 'SCHEMA'];
  let app: TestApp;
  let second: TestPostgres;
  beforeAll(async () => {
    [app, second] = await Promise.all([startTestApp(), startTestPostgres()]);
    await app.services.servers.add('b', await second.createRole('owner', tellTalePassword()));
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  const slugOf = (isolation: string) => `half-${isolation.toLowerCase()}`;
  const create = (isolation: string) =>
    app.ask(
      `mutation { createTenant(input: { slug: "${slugOf(isolation)}", name: "x", server: "b", isolation: ${isolation} }) { status } }`,
      app.admin,
    );
  const statuses = async () => {
    const { rows } = await app.services.catalog.use((client) => client.query('SELECT status FROM tenants'));
    return rows.map(({ status }) => status);
  };
  const rolesOfTenants = async () => (await second.rows(`SELECT FROM pg_roles WHERE rolname LIKE 'tenant\\_%'`)).length;
  /** Keeps a lock until the server stops. */
  const hold = async (database: string, sql: string) => {
    const client = await second.connect(database);
    await client.query(`BEGIN; ${sql}`);
  };

  it('is tidied by the process that was creating them, when it is back', async () => {
    // A server that was added is prepared behind it, which what is held below would hold up.
    await (await app.services.servers.find('b')).provisioner.prepare();
    const rows = await second.rows(`SELECT datname FROM pg_database WHERE datname LIKE 'auth\\_template\\_%'`);
    await hold('postgres', `ALTER DATABASE ${rows[0]?.datname} RENAME TO held`);
    await hold('shared', 'LOCK TABLE pg_namespace IN EXCLUSIVE MODE');
    const created = Promise.all(isolations.map(create));
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'CREATE (DATABASE|SCHEMA)'`;
    await vi.waitFor(async () => expect(await second.rows(waiting)).toHaveLength(2), { timeout: 10_000 });
    expect(await rolesOfTenants()).toBe(2);
    await second.stop();
    expect((await created).map(({ errors }) => errors?.[0]?.extensions.code)).toEqual(['SERVER_BUSY', 'SERVER_BUSY']);
    const { provisioning } = app.services;
    await recoverTenants(provisioning);
    expect(await statuses()).toEqual(['DELETING', 'DELETING']);
    await second.restart();
    await vi.waitFor(
      async () => {
        await recoverTenants(provisioning);
        expect(await statuses()).toEqual([]);
      },
      { timeout: 20_000 },
    );
    expect(await rolesOfTenants()).toBe(0);
    for (const isolation of isolations) {
      expect(await create(isolation)).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
    }
  });

  it.each(isolations)('recreates the role of a tenant with isolation %s if the tenant exists', async (isolation) => {
    const tenant = await app.services.directory.byReference(slugOf(isolation));
    const role = `tenant_${tenant?.key}`;
    await second.rows(`ALTER ROLE ${role} PASSWORD 'another one'`);
    await second.rows(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '${role}'`);
    expect(await app.ask('{ products { totalCount } }', await app.tokenFor(slugOf(isolation)))).toEqual({
      data: { products: { totalCount: 0 } },
    });
    const { server } = await app.services.servers.find('default');
    const { rows } = await server.admin((admin) => admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]));
    expect(rows).toEqual([]);
  });
});
