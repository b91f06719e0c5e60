import { afterAll, beforeAll, expect, it } from 'vitest';
import { quoteIdentifier } from '../../../src/postgres/sql/quote.ts';
import { askAsSuperuser } from '../../support/ask-as-superuser.ts';
import { Fleet } from '../../support/fleet.ts';

const slugs = ['own-database', 'own-schema'];
let fleet: Fleet;
const added: string[] = [];

beforeAll(async () => {
  fleet = await Fleet.start();
  // What the files try, so that a role that is not a superuser may do it too.
  const owner = quoteIdentifier(fleet.app.services.servers.get('default')?.address?.user ?? '');
  await askAsSuperuser(
    fleet.app,
    `GRANT pg_monitor TO ${owner}; GRANT SET ON PARAMETER session_replication_role TO ${owner}`,
  );
  await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA' });
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** Writes a migration that adds these texts. */
const add = async (...texts: string[]) => {
  const name = `2027020100${String(added.length + 1).padStart(4, '0')}_step`;
  added.push(name);
  await fleet.migrations.addClass(
    name,
    `up() {\n${texts.map((text) => `this.addSql(${JSON.stringify(text)});`).join('\n')}\n}`,
  );
};
const expectApplied = async () =>
  expect(await fleet.run('concurrency: 1')).toMatchObject({ status: 'SUCCEEDED', failed: 0 });

// Case 9. https://www.postgresql.org/docs/current/sql-set.html
it('starts each file with the settings of a new session', async () => {
  await add(`SET statement_timeout = '300ms'; SET session_replication_role = replica; SET TIME ZONE 'Asia/Tokyo'`);
  await add('SET LOCAL ROLE pg_monitor');
  await add(
    'SELECT pg_sleep(0.5)',
    `CREATE TABLE settings AS SELECT timestamptz '2027-01-01 00:00' AS at, current_setting('jit') AS jit,
       current_setting('session_replication_role') AS replication, current_user = session_user AS own`,
  );
  await expectApplied();
  for (const slug of slugs) {
    // The session that looks has the server's settings.
    const sql = `SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS at, jit, replication, own FROM settings`;
    expect(await fleet.inTenant(slug, sql), slug).toEqual([
      { at: '2027-01-01 00:00', jit: 'off', replication: 'origin', own: true },
    ]);
  }
});

// Case 5. https://www.postgresql.org/docs/current/app-pgdump.html: what a dump starts with
it('records a file that begins as a dump does', async () => {
  await add(
    'SET statement_timeout = 0',
    `SELECT pg_catalog.set_config('search_path', '', false)`,
    'SET row_security = off',
  );
  await add('CREATE TABLE after_dump (id int)');
  await expectApplied();
  for (const slug of slugs) expect(await fleet.inTenant(slug, 'SELECT * FROM after_dump'), slug).toEqual([]);
});

// https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-STATEMENT-TIMEOUT
it('checks and records a file without the time limits and the role that it has set', async () => {
  await add(
    'CREATE TABLE slow (id int)',
    `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END'`,
    `CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()`,
    `CREATE TABLE parts (id int PRIMARY KEY, whole int REFERENCES parts DEFERRABLE INITIALLY DEFERRED)`,
    'INSERT INTO slow VALUES (1)',
    'INSERT INTO parts VALUES (2, 1), (1, NULL)',
    `SET statement_timeout = '200ms'`,
    'SET LOCAL ROLE pg_monitor',
  );
  await add('ALTER TABLE slow ADD COLUMN label text', 'ALTER TABLE parts ADD COLUMN label text');
  await expectApplied();
});

// Case 10. https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-TEMPORARY
it('leaves no temporary table to the next file', async () => {
  await add('CREATE TEMP TABLE pick ON COMMIT DROP AS SELECT 1 AS id');
  await add('CREATE TABLE pick (id int)', 'INSERT INTO pick VALUES (7)');
  await expectApplied();
  for (const slug of slugs) expect(await fleet.inTenant(slug, 'SELECT id FROM pick'), slug).toEqual([{ id: 7 }]);
});

// Case 8. https://www.postgresql.org/docs/current/sql-set-constraints.html
it('checks deferred constraints at the end of each file, for good, and defers them again as declared', async () => {
  await add(
    'CREATE TABLE nodes (id int PRIMARY KEY, parent int REFERENCES nodes DEFERRABLE INITIALLY DEFERRED)',
    'INSERT INTO nodes VALUES (1, NULL), (3, 2), (2, 1)',
  );
  await add('ALTER TABLE nodes ADD COLUMN label text');
  await add('INSERT INTO nodes VALUES (5, 4)', 'INSERT INTO nodes VALUES (4, 1)');
  await add(
    'CREATE TABLE leaves (node int REFERENCES nodes DEFERRABLE INITIALLY DEFERRED)',
    'INSERT INTO leaves VALUES (6)',
    'INSERT INTO nodes VALUES (6, 1)',
  );
  await expectApplied();
  for (const slug of slugs) {
    expect(await fleet.inTenant(slug, 'SELECT count(*)::int AS nodes FROM nodes'), slug).toEqual([{ nodes: 6 }]);
  }
});

// Case 9 b. https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE
it('checks the keys of a file after one that has turned them off', async () => {
  await add('CREATE TABLE bills (id int PRIMARY KEY)', 'CREATE TABLE bill_lines (bill int REFERENCES bills)');
  await expectApplied();
  await add('SET session_replication_role = replica');
  await add('INSERT INTO bill_lines VALUES (1)');
  for (const input of ['concurrency: 1, dryRun: true', 'concurrency: 1']) {
    for (const { error } of (await fleet.run(input)).items.nodes) {
      expect(error).toContain('violates foreign key constraint "bill_lines_bill_fkey"');
    }
  }
  for (const slug of slugs) expect(await fleet.inTenant(slug, 'SELECT * FROM bill_lines'), slug).toEqual([]);
  await fleet.migrations.remove(...added.slice(-2));
});

// https://www.postgresql.org/docs/current/sql-rollback-to.html
it('lets no file roll back to a savepoint of another one', async () => {
  await add(
    'SAVEPOINT mine',
    'CREATE TABLE kept (id int)',
    'SAVEPOINT more',
    'ROLLBACK TO more',
    'CREATE TABLE too (id int)',
  );
  await expectApplied();
  const before = await fleet.applied('own-schema');
  await add('SAVEPOINT mine', 'CREATE TABLE lost (id int)');
  await add('ROLLBACK TO SAVEPOINT mine');
  for (const { error } of (await fleet.run('concurrency: 1')).items.nodes) {
    expect(error).toContain('savepoint "mine" does not exist, in line 3: ROLLBACK TO SAVEPOINT mine');
  }
  for (const slug of slugs) {
    expect(await fleet.applied(slug), slug).toEqual(before);
    expect(await fleet.inTenant(slug, 'SELECT FROM kept UNION ALL SELECT FROM too'), slug).toEqual([]);
  }
});
