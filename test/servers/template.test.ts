import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('the template of tenants’ databases', () => {
  let postgres: TestPostgres;
  let migrations: MigrationDir;
  let app: TestApp;
  const env = () => ({ ...postgres.env, TENANT_MIGRATIONS_DIR: migrations.path });
  beforeAll(async () => {
    postgres = await startTestPostgres();
    migrations = await makeMigrationDir();
    app = await startTestApp(env());
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await migrations[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const templates = async () => {
    const rows = await postgres.rows<{ name: string; open: boolean }>(
      `SELECT datname AS name, datallowconn AS open FROM pg_database WHERE datname LIKE 'auth\\_template\\_%' ORDER BY 1`,
    );
    expect(rows.filter(({ open }) => open)).toEqual([]);
    return rows.map(({ name }) => name);
  };
  /** Gives the name of the tenant's database. */
  const create = async (slug: string, server = app) => {
    const { data, errors } = await server.ask(
      `mutation { createTenant(input: { slug: "${slug}", name: "x" }) { placement { database } behind } }`,
      server.admin,
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({ createTenant: { behind: 0 } });
    const tenant = await server.services.directory.byReference(slug);
    return tenant?.database ?? '';
  };
  const query = (database: string, sql: string) => postgres.rows(sql, undefined, database);

  /** All that tells one tenant's database from another, the names of tenants left out. */
  async function describeDatabase(database: string): Promise<Record<string, pg.QueryResultRow[]>> {
    const role = database.replace('db_', 'tenant_');
    const generic = (rows: pg.QueryResultRow[]) =>
      JSON.parse(JSON.stringify(rows).replaceAll(role, '<role>').replaceAll(database, '<database>'));
    return {
      rights: generic(
        await postgres.rows(
          `SELECT datacl::text, datdba::regrole::text, pg_encoding_to_char(encoding), datcollate, datctype, datallowconn,
             datistemplate, datconnlimit FROM pg_database WHERE datname = $1`,
          [database],
        ),
      ),
      schemas: await query(
        database,
        'SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace ORDER BY 1',
      ),
      tables: await query(
        database,
        `SELECT relname, relkind, relowner::regrole::text, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`,
      ),
      columns: await query(
        database,
        `SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
         WHERE table_schema = 'public' ORDER BY 1, 2`,
      ),
      constraints: await query(
        database,
        `SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2`,
      ),
      indexes: await query(database, `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1`),
      defaults: await query(
        database,
        'SELECT defaclrole::regrole::text, defaclnamespace::regnamespace::text, defaclobjtype, defaclacl::text FROM pg_default_acl ORDER BY 1, 2, 3',
      ),
      comments: await query(
        database,
        `SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class WHERE relnamespace = 'public'::regnamespace
           AND obj_description(oid, 'pg_class') IS NOT NULL`,
      ),
      history: await query(
        database,
        'SELECT id, scope, name, hash, status, run, checkpoint, error FROM migration_history ORDER BY id',
      ),
      memberships: generic(
        await postgres.rows(
          'SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members WHERE member = to_regrole($1)',
          [role],
        ),
      ),
    };
  }

  it('gives the same database, cloned or, while someone is connected to it, migrated', async () => {
    const [template = ''] = await templates();
    const cloned = await create('cloned');
    await postgres.rows(`ALTER DATABASE ${template} WITH ALLOW_CONNECTIONS true`);
    const guest = await postgres.connect(template);
    const migrated = await create('migrated');
    await guest.end();
    await postgres.rows(`ALTER DATABASE ${template} WITH ALLOW_CONNECTIONS false`);
    const description = await describeDatabase(cloned);
    expect(Object.values(description).every((rows) => rows.length > 0)).toBe(true);
    expect(await describeDatabase(migrated)).toEqual(description);
    // A clone has the template's history to the moment; what was migrated has a later one.
    const appliedAt = 'SELECT max(applied_at)::text AS at FROM migration_history';
    expect(await query(migrated, appliedAt)).not.toEqual(await query(cloned, appliedAt));
  });

  it('is used again by the next start', async () => {
    const before = await postgres.rows(`SELECT oid FROM pg_database WHERE datname LIKE 'auth\\_template\\_%'`);
    await using other = await startTestApp(env());
    await create('of-the-next-start', other);
    expect(await postgres.rows(`SELECT oid FROM pg_database WHERE datname LIKE 'auth\\_template\\_%'`)).toEqual(before);
  });

  it('is built again when there is a new migration, and when one is taken away; the old one is dropped', async () => {
    const before = await templates();
    await migrations.add('20270101000000_notes', 'CREATE TABLE notes (id int)');
    const withNotes = await create('with-notes');
    expect(await query(withNotes, `SELECT to_regclass('notes')::text AS notes`)).toEqual([{ notes: 'notes' }]);
    const after = await templates();
    expect(after).toHaveLength(1);
    expect(after).not.toEqual(before);
    await migrations.remove('20270101000000_notes');
    const without = await create('without-notes');
    expect(await query(without, `SELECT to_regclass('notes')::text AS notes`)).toEqual([{ notes: null }]);
    expect(await templates()).toEqual(before);
  });

  it('may be dropped by others at any time', async () => {
    const [template = ''] = await templates();
    await postgres.rows(`DROP DATABASE ${template}`);
    await create('without-template');
    await create('after-that');
    expect(await templates()).toEqual([template]);
  });

  it('is nobody’s concern but of those who create tenants when it cannot be built, and nothing of it is left', async () => {
    const before = await templates();
    await migrations.add('20270101000000_broken', 'SELECT 1 / 0');
    {
      await using other = await startTestApp(env());
      const token = await other.tokenFor('cloned');
      expect(await other.ask('{ products { totalCount } }', token)).toEqual({ data: { products: { totalCount: 0 } } });
      const { errors } = await other.ask(
        'mutation { createTenant(input: { slug: "broken", name: "x" }) { id } }',
        other.admin,
      );
      expect(errors?.[0]?.message).toMatch(/20270101000000_broken failed: division by zero/);
    }
    expect(await templates()).toEqual(before);
    await migrations.remove('20270101000000_broken');
  });
});
