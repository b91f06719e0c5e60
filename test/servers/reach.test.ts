import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KnownTenant } from '../../src/catalog/tenant-directory.ts';
import { derivePasswords } from '../../src/postgres/admin/roles.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { isLimited } from '../support/start-cluster.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('with the role and the password of a tenant', () => {
  let postgres: TestPostgres;
  let app: TestApp;
  const tenants: Record<string, KnownTenant> = {};
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    app = await startTestApp(postgres.env);
    for (const slug of ['my-database', 'other-database', 'my-schema', 'other-schema']) {
      const isolation = slug.endsWith('database') ? 'DATABASE' : 'SCHEMA';
      await app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`,
        app.admin,
      );
      const tenant = await app.services.directory.byReference(slug);
      if (tenant) tenants[slug] = tenant;
    }
    // Closed to everyone by itself; what is tested is that tenants' roles cannot connect even if it is open.
    await postgres.rows(`ALTER DATABASE ${await template()} WITH ALLOW_CONNECTIONS true`);
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const tenantOf = (slug: string) => {
    const tenant = tenants[slug];
    if (!tenant) throw new Error(`no tenant ${slug}`);
    return tenant;
  };
  async function template(): Promise<string> {
    const [row] = await postgres.rows<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE datname LIKE 'auth\\_template\\_%'`,
    );
    return row?.name ?? '';
  }
  /** Asks as a tenant's role; gives the rows, or PostgreSQL's refusal. */
  const ask = async (slug: string, database: string, sql: string) => {
    const role = `tenant_${tenantOf(slug).key}`;
    const password = derivePasswords(postgres.env.ROLE_SECRET)(role);
    const client = new pg.Client({ connectionString: postgres.url(database, role, password) });
    try {
      await client.connect();
      return (await client.query(sql)).rows;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      await client.end();
    }
  };
  const mine = ['my-database', 'my-schema'];

  it.each(mine)('%s reaches its own tables', async (slug) => {
    const { database, schema } = tenantOf(slug);
    expect(await ask(slug, database, `SELECT count(*)::int AS count FROM "${schema}".products`)).toEqual([
      { count: 0 },
    ]);
  });

  it.each(mine)('%s cannot connect to system databases, to other tenants’ or to the template', async (slug) => {
    const closed = ['auth', 'constants', tenantOf('other-database').database, await template()];
    if (slug === 'my-database') closed.push('shared');
    for (const database of closed) {
      expect(await ask(slug, database, 'SELECT 1'), database).toMatch(/^permission denied for database/);
    }
  });

  it('my-schema can neither read nor make anything in the shared database outside its schema', async () => {
    const { schema } = tenantOf('other-schema');
    for (const sql of [
      `SELECT * FROM "${schema}".products`,
      `SELECT * FROM "${schema}".migration_history`,
      `CREATE TABLE "${schema}".mine (id int)`,
      'CREATE TABLE public.mine (id int)',
      'CREATE SCHEMA mine',
      'CREATE TEMP TABLE mine (id int)',
    ]) {
      expect(await ask('my-schema', 'shared', sql), sql).toMatch(/^permission denied/);
    }
  });

  it.each(mine)('%s cannot make databases or roles, nor become another role', async (slug) => {
    const { database } = tenantOf(slug);
    const other = `tenant_${tenantOf('other-database').key}`;
    for (const sql of [
      'CREATE DATABASE mine',
      'CREATE ROLE mine',
      `ALTER ROLE "${other}" PASSWORD 'mine'`,
      `DROP ROLE "${other}"`,
      `SET ROLE "${other}"`,
      'SET ROLE auth_app',
      `GRANT auth_app TO CURRENT_USER`,
      `GRANT CONNECT ON DATABASE auth TO CURRENT_USER`,
      "SELECT pg_read_file('/etc/hostname')",
      `COPY (SELECT 1) TO PROGRAM 'true'`,
    ]) {
      expect(await ask(slug, database, sql), sql).toMatch(/permission denied|must have admin option|must be superuser/);
    }
  });

  // Only the owner of these databases can close them. Doctor shows those that are open.
  it.skipIf(isLimited).each(mine)(
    '%s may connect to none of the databases that PostgreSQL itself leaves open to everyone',
    async (slug) => {
      const own = [tenantOf(slug).database, 'auth', 'constants', 'shared'];
      const open = await postgres.rows<{ name: string }>(
        `SELECT datname AS name FROM pg_database
       WHERE datallowconn AND has_database_privilege($1, oid, 'CONNECT') AND datname <> ALL ($2) ORDER BY 1`,
        [`tenant_${tenantOf(slug).key}`, own],
      );
      expect(open).toEqual([]);
    },
  );

  it('nobody but the owner connects where they have no business: rights are few enough to be listed', async () => {
    const rows = await postgres.rows<{ database: string; role: string }>(
      `SELECT DISTINCT CASE WHEN datname LIKE 'db\\_%' THEN 'db' ELSE regexp_replace(datname, '[0-9a-f]{12}$', '#') END AS database,
         CASE WHEN grantee = 0 THEN 'PUBLIC' WHEN grantee = datdba THEN 'owner'
           WHEN pg_get_userbyid(grantee) = replace(datname, 'db_', 'tenant_') THEN 'its tenant' ELSE pg_get_userbyid(grantee) END AS role
       FROM pg_database CROSS JOIN aclexplode(datacl) WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1, 2`,
    );
    expect(rows.map(({ database, role }) => `${database}: ${role}`)).toEqual([
      'auth: auth_app',
      'auth: owner',
      'auth_template_#: owner',
      'constants: auth_app',
      'constants: owner',
      'db: its tenant',
      'db: owner',
      'shared: auth_schema_tenants',
      'shared: owner',
    ]);
  });
});
