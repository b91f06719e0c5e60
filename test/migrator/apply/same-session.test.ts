import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';

const slugs = ['own-database', 'own-schema'];
let fleet: Fleet;
let count = 0;

beforeAll(async () => {
  fleet = await Fleet.start();
  await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA' });
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** Writes a migration that adds these texts. */
const add = async (...texts: string[]) => {
  count += 1;
  const name = `2027020100${String(count).padStart(4, '0')}_step`;
  await fleet.migrations.addClass(
    name,
    `up() {\n${texts.map((text) => `this.addSql(${JSON.stringify(text)});`).join('\n')}\n}`,
  );
  return name;
};
const run = (input = '') => fleet.run(`concurrency: 1 ${input}`);
const errorsOf = async (input = '') => [...new Set((await run(input)).items.nodes.map(({ error }) => error))];
const expectApplied = async () => expect(await run()).toMatchObject({ status: 'SUCCEEDED', failed: 0 });

// https://www.postgresql.org/docs/current/sql-set.html
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
    expect(await fleet.inTenant(slug, 'SELECT at::text, jit, replication, own FROM settings'), slug).toEqual([
      { at: '2027-01-01 00:00:00+00', jit: 'off', replication: 'origin', own: true },
    ]);
  }
});

// https://www.postgresql.org/docs/current/app-pgdump.html: what a dump starts with
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

// https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-TEMPORARY
it('leaves no temporary table to the next file', async () => {
  await add('CREATE TEMP TABLE pick ON COMMIT DROP AS SELECT 1 AS id');
  await add('CREATE TABLE pick (id int)', 'INSERT INTO pick VALUES (7)');
  await expectApplied();
  for (const slug of slugs) expect(await fleet.inTenant(slug, 'SELECT id FROM pick'), slug).toEqual([{ id: 7 }]);
});

// https://www.postgresql.org/docs/current/sql-set-constraints.html
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

// https://www.postgresql.org/docs/current/sql-altertype.html#SQL-ALTERTYPE-NOTES
it('commits a new value of an enum before a file that uses it', async () => {
  await add(`CREATE TYPE ticket_state AS ENUM ('open')`, 'CREATE TABLE tickets (id int, state ticket_state)');
  await expectApplied();
  const added = await add(`ALTER TYPE ticket_state ADD VALUE 'void'`);
  const user = await add(`INSERT INTO tickets VALUES (1, 'void')`);
  const plan = await fleet.ask<{ migrationPlan: unknown }>('{ migrationPlan { tenants { warnings } } }');
  const reason = `${user} may use the value 'void' that ${added} adds to the enum ticket_state, which has to be committed first`;
  expect(plan.migrationPlan).toEqual({
    tenants: slugs.map(() => ({ warnings: [`${reason}: the batch is not one transaction`] })),
  });
  await expectApplied();
  for (const slug of slugs) {
    expect(await fleet.inTenant(slug, 'SELECT state FROM tickets'), slug).toEqual([{ state: 'void' }]);
  }
});

// https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-DOLLAR-QUOTING
it('reads quotes, names and bodies as PostgreSQL does', async () => {
  await add('CREATE FUNCTION span_end() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS end; SELECT 2; END');
  await add('SELECT $Doc$ run $doc$ a; commit; b $doc$ $Doc$');
  await expectApplied();
});

// https://www.postgresql.org/docs/current/sql-commit.html
it('refuses a COMMIT beside what merely looks like a block, and leaves nothing after a dry run', async () => {
  const name = await add(
    'CREATE FUNCTION f(begin int) RETURNS int LANGUAGE sql RETURN begin; CREATE TABLE leak (id int); COMMIT; SELECT 1',
  );
  for (const input of ['dryRun: true', '']) {
    expect(await errorsOf(input)).toEqual([expect.stringContaining(`${name} begins or ends a transaction (COMMIT)`)]);
  }
  for (const slug of slugs)
    expect(await fleet.inTenant(slug, `SELECT FROM pg_tables WHERE tablename = 'leak'`), slug).toEqual([]);
  await fleet.migrations.remove(name);
});

// https://www.postgresql.org/docs/current/protocol-error-fields.html
it.each([
  ['CREATE TABEL typo_c (id int)', 'syntax error at or near "TABEL"', 'CREATE '],
  ['SELECT 1 +', 'syntax error at end of input', 'SELECT 1 +'],
  ["SELECT 'open", 'unterminated quoted string at or near "\'open"', 'SELECT '],
  ['SELECT 1, nonsense', 'column "nonsense" does not exist', 'SELECT 1, '],
])('names the statement that failed, its line, and PostgreSQL’s position: %s', async (text, message, before) => {
  const name = await add('CREATE TABLE typo_a (id int)', 'CREATE TABLE typo_b (id int)', text);
  const [error] = await errorsOf();
  expect(error).toContain(`${name} failed: ${message}, in line 5: ${text}\n`);
  expect(error).toMatch(new RegExp(`\\| ${' '.repeat(before.length)}\\^$`));
  for (const slug of slugs)
    expect(await fleet.inTenant(slug, `SELECT FROM pg_tables WHERE tablename LIKE 'typo_%'`), slug).toEqual([]);
  await fleet.migrations.remove(name);
});

// https://www.postgresql.org/docs/current/sql-copy.html
it('refuses COPY FROM stdin before it touches a tenant', async () => {
  const name = await add('CREATE TABLE cp (id int)', 'COPY cp FROM stdin');
  expect(await errorsOf()).toEqual([expect.stringContaining(`${name} reads rows from the client`)]);
  await fleet.migrations.remove(name);
});
