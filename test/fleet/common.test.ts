import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askAsSuperuser } from '../support/ask-as-superuser.ts';
import { Fleet, statusesOf } from '../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { commandsOf } from '../support/run-command.ts';
import { isLimited } from '../support/start-cluster.ts';

let common: MigrationDir;
let fleet: Fleet;

beforeEach(async () => {
  common = await makeMigrationDir({ empty: true });
  fleet = await Fleet.start({ COMMON_MIGRATIONS_DIR: common.path, MIGRATION_CONCURRENCY: '8' });
});

afterEach(async () => {
  await fleet[Symbol.asyncDispose]();
  await common[Symbol.asyncDispose]();
});

/** Sends a statement as the tenant's role, through the connections that requests use. */
async function asTenant<Row extends pg.QueryResultRow>(slug: string, sql: string): Promise<Row[]> {
  const pool = fleet.app.services.tenants.pool(await fleet.tenant(slug));
  return (await pool.use((client) => client.query<Row>(sql))).rows;
}

const both = { d101: 'DATABASE', s101: 'SCHEMA' } as const;

describe('what is common to the tenants of a database', () => {
  // Case 13; https://www.postgresql.org/docs/current/sql-createextension.html, https://www.postgresql.org/docs/current/pgtrgm.html
  it('an extension of common serves twelve schemas of one database at once, and a database', async () => {
    const schemas = Array.from({ length: 12 }, (_, index) => `s${index + 101}`);
    await fleet.createTenants({ ...Object.fromEntries(schemas.map((slug) => [slug, 'SCHEMA'])), d101: 'DATABASE' });
    await common.add('20270101000000_trgm', 'CREATE EXTENSION IF NOT EXISTS pg_trgm');
    await fleet.migrations.add(
      '20270101000000_index',
      'CREATE INDEX products_name_trgm ON products USING gin (name gin_trgm_ops)',
    );
    const run = await fleet.run('concurrency: 8');
    expect(run).toMatchObject({ status: 'SUCCEEDED', succeeded: 13 });
    await fleet.createTenants({ s113: 'SCHEMA', d102: 'DATABASE' });
    for (const slug of ['s101', 's112', 's113', 'd101', 'd102']) {
      const rows = await asTenant(slug, `SELECT similarity('word', 'words') > 0.5 AS near`);
      expect(rows).toEqual([{ near: true }]);
    }
    const { database } = await fleet.tenant('s101');
    const extensions = `SELECT nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pg_trgm'`;
    const session = await fleet.session(database);
    expect((await session.query(extensions)).rows).toEqual([{ schema: 'common' }]);
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', skipped: 15 });
  });

  // Case 17; https://www.postgresql.org/docs/current/citext.html
  it('a type of common compares the same way in requests of both isolations', async () => {
    await common.add('20270101000000_citext', 'CREATE EXTENSION citext');
    await fleet.migrations.add(
      '20270101000000_people',
      'CREATE TABLE people (email citext PRIMARY KEY)',
      `INSERT INTO people VALUES ('Ann@x.org')`,
    );
    await fleet.createTenants(both);
    for (const slug of Object.keys(both)) {
      const rows = await asTenant(slug, `SELECT count(*)::int AS count FROM people WHERE email = 'ann@x.org'`);
      expect(rows).toEqual([{ count: 1 }]);
    }
  });

  // https://www.postgresql.org/docs/current/ddl-priv.html, https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
  it('tenants read a lookup table, refer to it and call a function, and change nothing', async () => {
    await fleet.createTenants(both);
    await common.add(
      '20270101000000_units',
      'CREATE TABLE units (code text PRIMARY KEY)',
      `INSERT INTO units VALUES ('kg'), ('m')`,
      `CREATE TYPE grade AS ENUM ('a', 'b')`,
      `CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'`,
    );
    await fleet.migrations.add(
      '20270101000000_stock',
      'CREATE TABLE stock (unit text REFERENCES units, grade grade, amount int DEFAULT twice(4))',
      `INSERT INTO stock VALUES ('kg', 'a')`,
    );
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    for (const slug of Object.keys(both)) {
      expect(await asTenant(slug, 'SELECT unit, grade, amount FROM stock JOIN units ON code = unit')).toEqual([
        { unit: 'kg', grade: 'a', amount: 8 },
      ]);
      await asTenant(slug, `INSERT INTO stock VALUES ('m', 'b', twice(1))`);
      await expect(asTenant(slug, `INSERT INTO stock VALUES ('mile')`)).rejects.toMatchObject({ code: '23503' });
      for (const sql of [
        `INSERT INTO units VALUES ('mile')`,
        `DELETE FROM units`,
        'CREATE TABLE common.mine (id int)',
        `UPDATE common.migration_history SET hash = ''`,
        'DROP FUNCTION twice',
      ]) {
        await expect(asTenant(slug, sql), sql).rejects.toMatchObject({ code: '42501' });
      }
    }
  });

  it('a failure of common fails the tenants of the database, says why, and the rest of the run goes on', async () => {
    await fleet.createTenants({ s101: 'SCHEMA', s102: 'SCHEMA', d101: 'DATABASE' });
    await common.add(
      '20270101000000_broken',
      'SELECT 1 / (SELECT count(*)::int FROM pg_namespace WHERE nspname !~ $$^tenant_$$ AND nspname = $$public$$ AND current_database() ~ $$^db_$$)',
    );
    await fleet.migrations.add('20270101000000_more', 'CREATE TABLE more (id int)');
    const run = await fleet.run();
    expect(statusesOf(run)).toEqual({ s101: 'FAILED', s102: 'FAILED', d101: 'SUCCEEDED' });
    const [first] = run.items.nodes;
    expect(first?.error).toMatch(
      /^The migrations of common could not be applied to the database \w+, .*20270101000000_broken failed: division by zero/,
    );
    expect(await fleet.applied('s101')).toEqual(['20261121000000_fixture']);
    await common.add('20270101000000_broken', 'SELECT 1');
    expect((await fleet.resume(run.id)).status).toBe('SUCCEEDED');
  });

  it('a dry run tries common and the tenants’ own together, and nothing is left', async () => {
    await fleet.createTenants(both);
    await common.add('20270101000000_citext', 'CREATE EXTENSION citext');
    await fleet.migrations.add('20270101000000_people', 'CREATE TABLE people (email citext PRIMARY KEY)');
    expect(await fleet.run('dryRun: true')).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    for (const slug of Object.keys(both)) {
      expect(await fleet.inTenant(slug, `SELECT to_regnamespace('common') AS schema`)).toEqual([{ schema: null }]);
    }
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
  });

  it('is left by undo, which names it, and a run that changed nothing else is not undone', async () => {
    await fleet.createTenants(both);
    await common.addReversible('20270101000000_units', 'CREATE TABLE units (code text)', 'DROP TABLE units');
    await fleet.migrations.addReversible('20270101000000_more', 'CREATE TABLE more (id int)', 'DROP TABLE more');
    const mixed = await fleet.run();
    expect(mixed).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    const data = await fleet.ask<Record<string, { id: string }>>(
      `mutation { undoMigrationRun(id: "${mixed.id}") { id } }`,
    );
    const id = data.undoMigrationRun?.id ?? '';
    const events = await fleet.events(id);
    expect(statusesOf(await fleet.runNow(id))).toEqual({ d101: 'SUCCEEDED', s101: 'SUCCEEDED' });
    expect(events.filter(({ kind }) => kind === 'RUN_WARNING').map(({ message }) => message)).toEqual([
      expect.stringMatching(/^The migrations of common \(20270101000000_units\) stay applied: /),
    ]);
    for (const slug of Object.keys(both)) expect(await fleet.applied(slug)).toEqual(['20261121000000_fixture']);
    await fleet.migrations.remove('20270101000000_more');
    await common.add('20270101000001_sizes', 'CREATE TABLE sizes (code text)');
    const shared = await fleet.run();
    expect(shared).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
    const { code, message } = await fleet.refusal(`mutation { undoMigrationRun(id: "${shared.id}") { id } }`);
    expect(code).toBe('CONFLICT');
    expect(message).toMatch(/^This run has changed no tenant, only the schema common\. .*20270101000001_sizes/);
  });

  // https://www.postgresql.org/docs/current/sql-alterextension.html
  it('takes over an extension that a tenant has in its own schema, in a dry run too', async () => {
    await fleet.createTenants({ d101: 'DATABASE', d102: 'DATABASE' });
    const guests = 'CREATE TABLE guests (name citext)';
    await fleet.inTenant('d101', `CREATE EXTENSION citext; CREATE EXTENSION cube; ${guests}`);
    await common.add(
      '20270101000000_citext',
      'CREATE EXTENSION IF NOT EXISTS citext',
      'CREATE TABLE names (name citext)',
    );
    await fleet.migrations.add('20270101000000_people', 'CREATE TABLE people (email citext PRIMARY KEY)');
    const where = `SELECT extname, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql' ORDER BY 1`;
    const inPublic = (extname: string) => ({ extname, nspname: 'public' });
    if (isLimited) {
      // PostgreSQL makes the objects of an extension as a superuser, and lets nobody else move them.
      for (const input of ['dryRun: true', '']) {
        const run = await fleet.run(input);
        expect(statusesOf(run)).toEqual({ d101: 'FAILED', d102: 'SUCCEEDED' });
        const { database } = await fleet.tenant('d101');
        const error = run.items.nodes.find(({ tenant }) => tenant.slug === 'd101')?.error ?? '';
        const [, sql = ''] = error.split(`Let one run in the database ${database}: `);
        expect(sql).toContain('ALTER EXTENSION "citext" SET SCHEMA common;');
        if (input === '') await askAsSuperuser(fleet.app, sql, [], database);
      }
    } else {
      expect(await fleet.run('dryRun: true')).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
      expect(await fleet.inTenant('d101', where)).toEqual([inPublic('citext'), inPublic('cube')]);
    }
    expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });
    const inCommon = { extname: 'citext', nspname: 'common' };
    expect(await fleet.inTenant('d101', where)).toEqual([inCommon, inPublic('cube')]);
    expect(await fleet.inTenant('d102', where)).toEqual([inCommon]);
    await asTenant('d101', `INSERT INTO people VALUES ('Ann'); SELECT FROM guests WHERE name = 'x'`);
  });

  it('is compared between databases by doctor, which names what differs', async () => {
    await fleet.createTenants({ d101: 'DATABASE', d102: 'DATABASE', s101: 'SCHEMA' });
    await common.add('20270101000000_units', 'CREATE TABLE units (code text PRIMARY KEY)', 'CREATE EXTENSION citext');
    await fleet.run();
    const doctor = () => commandsOf(fleet.app)('doctor');
    expect(await doctor()).toMatchObject({ exit: 0 });
    await fleet.inTenant('s101', 'ALTER TABLE common.units ADD COLUMN note text');
    const { exit, stdout } = await doctor();
    expect(exit).toBe(1);
    expect(stdout).toMatch(
      /The schemas common at 20270101000000_units differ from that of the database db_\w+ on the server default, which has the same migrations: that of the database shared on the server default\. column units\.note exists only in that of the database shared/,
    );
  });

  it('is part of what `migrate system` and `migrate status` tell', async () => {
    await fleet.createTenants(both);
    const run = commandsOf(fleet.app);
    await common.add('20270101000000_units', 'CREATE TABLE units (code text PRIMARY KEY)');
    const line = (behind: number) =>
      `${behind} of 2 databases lack migrations of common. The newest is 20270101000000_units.\n`;
    for (const command of ['system', 'status']) {
      expect((await run('migrate', command)).stdout).toContain(line(2));
    }
    await fleet.run();
    for (const command of ['system', 'status']) {
      expect((await run('migrate', command)).stdout).toContain(line(0));
    }
    expect(JSON.parse((await run('migrate', 'system', '--json')).stdout)).toContainEqual({
      schema: 'common',
      version: '20270101000000_units',
      databases: 2,
      behind: 0,
    });
  });
});
