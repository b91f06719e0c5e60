import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';

describe('statements as PostgreSQL’s own parser reads them', () => {
  const slugs = ['own-database', 'own-schema'];
  let fleet: Fleet;
  let count = 0;
  /** Migrations that no tenant has. */
  const tried: string[] = [];

  beforeAll(async () => {
    fleet = await Fleet.start();
    await fleet.createTenants({ 'own-database': 'DATABASE', 'own-schema': 'SCHEMA' });
  });
  afterEach(async () => {
    await fleet.migrations.remove(...tried.splice(0));
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const nextName = () => {
    count += 1;
    return `2027010100${String(count).padStart(4, '0')}_step`;
  };
  const add = async (...texts: string[]) => {
    const name = nextName();
    await fleet.migrations.add(name, ...texts);
    return name;
  };
  const addAlone = async (text: string) => {
    const body = `isTransactional() { return false; } up() { this.addSql(${JSON.stringify(text)}); }`;
    await fleet.migrations.addClass(nextName(), body);
  };
  const errorsOf = async (input = '') => [...new Set((await fleet.run(input)).items.nodes.map(({ error }) => error))];
  const expectRun = async () => expect(await fleet.run()).toMatchObject({ status: 'SUCCEEDED', succeeded: 2 });
  const expectRows = async (sql: string, rows: unknown[]) => {
    for (const slug of slugs) expect(await fleet.inTenant(slug, sql), slug).toEqual(rows);
  };
  const tables = (pattern: string) =>
    `SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace
       AND relname LIKE '${pattern}' ORDER BY relname`;

  // Case 1. ErrorResponse, field P: https://www.postgresql.org/docs/current/protocol-error-fields.html
  it.each([
    ['CREATE TABEL typo_c (id int)', 'syntax error at or near "TABEL"', 'CREATE '],
    ['SELECT 1 +', 'syntax error at end of input', 'SELECT 1 +'],
    ['INSERT INTO typo_a VALUES (1', 'syntax error at end of input', 'INSERT INTO typo_a VALUES (1'],
    [`SELECT 'open`, `unterminated quoted string at or near "'open"`, 'SELECT '],
    ['SELECT nothing FROM typo_a', 'column "nothing" does not exist', 'SELECT '],
    [`SELECT 'äö', nothing`, 'column "nothing" does not exist', `SELECT 'äö', `],
  ])('name the one that failed, with its line and the position: %s', async (text, message, before) => {
    const name = nextName();
    const statements = ['CREATE TABLE typo_a (id int)', 'CREATE TABLE typo_b (id int)', text];
    await fleet.migrations.addClass(
      name,
      `up() {\n${statements.map((sql) => `    this.addSql(\`${sql}\`);`).join('\n')}\n  }`,
    );
    tried.push(name);
    const caret = ' '.repeat(`LINE 5: ${before}`.length);
    for (const input of ['dryRun: true', '']) {
      expect(await errorsOf(input)).toEqual([
        `${name} failed: ${message}, in line 5: ${text}\nLINE 5: ${text}\n${caret}^`,
      ]);
    }
    await expectRows(tables('typo%'), []);
  });

  it('name the line inside of a text of several lines and statements', async () => {
    const name = nextName();
    await fleet.migrations.addClass(
      name,
      'up() {\n  this.addSql(`\n    SELECT 1;\n    -- a comment\n    SELECT 2,\n      nothing;\n  `);\n }',
    );
    tried.push(name);
    expect(await errorsOf()).toEqual([
      `${name} failed: column "nothing" does not exist, in line 6: SELECT 2, nothing\nLINE 7:       nothing\n              ^`,
    ]);
  });

  it('name the one that failed among those of several files, which are sent together', async () => {
    const first = await add('CREATE TABLE several_a (id int)', 'SELECT 1');
    const second = nextName();
    await fleet.migrations.addClass(
      second,
      "up() {\n  this.addSql('CREATE TABLE several_b (id int)');\n  this.addSql('SELECT nothing FROM several_a');\n }",
    );
    const third = await add('CREATE TABLE several_c (id int)');
    tried.push(first, second, third);
    const error = `${second} failed: column "nothing" does not exist, in line 4: SELECT nothing FROM several_a\nLINE 4: SELECT nothing FROM several_a\n               ^`;
    for (const input of ['dryRun: true', '']) expect(await errorsOf(input)).toEqual([error]);
    await expectRows(tables('several%'), []);
    // Only the one that failed is recorded as such.
    await expectRows(`SELECT name FROM migration_history WHERE status = 'ROLLED_BACK' AND name >= '${first}'`, [
      { name: second },
    ]);
    const { errors } = await fleet.app.ask(
      'mutation { createTenant(input: { slug: "fails", name: "n", isolation: SCHEMA }) { id } }',
      fleet.app.admin,
    );
    expect(errors).toMatchObject([{ message: expect.stringContaining(error), extensions: { migration: second } }]);
  });

  // Case 2. Tags are case-sensitive: https://www.postgresql.org/docs/current/sql-syntax-lexical.html (4.1.2.4)
  it('keep dollar quotes apart whose tags differ in case', async () => {
    await addAlone(
      'DO $Outer$ BEGIN EXECUTE $outer$ CREATE TABLE tag_a (id int); CREATE TABLE tag_b (id int) $outer$; END $Outer$',
    );
    await add('SELECT $Doc$ run $doc$ a; commit; b $doc$ $Doc$');
    await expectRun();
    await expectRows(tables('tag%'), [{ name: 'tag_a' }, { name: 'tag_b' }]);
  });

  // Case 3. https://www.postgresql.org/docs/current/sql-createfunction.html (sql_body)
  it('hold key words as names in the body of a function', async () => {
    const body = 'RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS end; SELECT t.end, t.case FROM t; SELECT 2; END';
    await add('CREATE TABLE t ("end" int, "case" int)', `CREATE FUNCTION span_end() ${body}`);
    await addAlone(`CREATE FUNCTION span_alone() ${body}; SELECT 1`);
    await expectRun();
    await expectRows('SELECT span_end() AS one, span_alone() AS two', [{ one: 2, two: 2 }]);
  });

  // Case 4 a.
  it('are told apart behind a parameter named begin', async () => {
    await addAlone(
      `CREATE FUNCTION overlaps_day(begin timestamptz) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
       CREATE INDEX CONCURRENTLY products_begin_idx ON products (name)`,
    );
    await expectRun();
    await expectRows(tables('products_begin_idx'), [{ name: 'products_begin_idx' }]);
  });

  // Case 4 b. https://www.postgresql.org/docs/current/sql-keywords-appendix.html (BEGIN is not reserved)
  it('hide no COMMIT, in a dry run either', async () => {
    const name = await add(
      'CREATE FUNCTION f(begin int) RETURNS int LANGUAGE sql RETURN begin; CREATE TABLE leak (id int); COMMIT; SELECT 1',
    );
    tried.push(name);
    for (const input of ['dryRun: true', '']) {
      expect(await errorsOf(input)).toEqual([
        expect.stringContaining(`BAD_USER_INPUT: ${name} begins or ends a transaction (COMMIT, line 2)`),
      ]);
    }
    await expectRows(tables('leak'), []);
  });

  // https://www.postgresql.org/docs/current/runtime-config-compatible.html#GUC-STANDARD-CONFORMING-STRINGS
  it('hide no COMMIT in a string that a setting makes end earlier', async () => {
    const name = await add(
      `DO $$ BEGIN IF current_setting('server_version_num')::int < 190000 THEN SET standard_conforming_strings = off; END IF; END $$`,
      `CREATE TABLE leak (id int)`,
      `SELECT 'x\\''; COMMIT; --'`,
      'SELECT nothing',
    );
    tried.push(name);
    for (const input of ['dryRun: true', '']) {
      expect(await errorsOf(input)).toEqual([expect.stringContaining(`${name} failed: `)]);
    }
    await expectRows(tables('leak'), []);
  });

  // Case 6. https://www.postgresql.org/docs/current/sql-copy.html
  it('are refused if they read rows from the client', async () => {
    const name = await add('CREATE TABLE cp (id int)', 'COPY cp FROM stdin');
    tried.push(name);
    expect(await errorsOf()).toEqual([
      `BAD_USER_INPUT: ${name} reads rows from a client (COPY cp FROM stdin, line 2), but a migration has none to send. Write INSERT INTO … VALUES instead.`,
    ]);
    await expectRows(tables('cp'), []);
  });

  it('are refused as a whole if a text of several cannot be parsed, with the way out', async () => {
    tried.push(await add('CREATE TABLE leak (id int); CREATE TABLE leak_b (id int) WITH NEW SYNTAX'));
    expect(await errorsOf()).toEqual([expect.stringContaining('syntax error at or near "NEW", in line 2')]);
    await expectRows(tables('leak'), []);
  });

  // Case 12. https://www.postgresql.org/docs/current/protocol-flow.html
  it('return rows that are thrown away as they come', async () => {
    await add(`SELECT repeat('x', 200) FROM generate_series(1, 1000000)`);
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    try {
      await expectRun();
    } finally {
      clearInterval(watch);
    }
    // Two tenants' rows would take more than 600 MB.
    expect(peak - before).toBeLessThan(200e6);
  });
});
