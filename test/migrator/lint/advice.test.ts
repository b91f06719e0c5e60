import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stableFunctions } from '../../../src/migrator/lint/stable-functions.ts';
import { tableEffectsOf } from '../../../src/migrator/lint/statement-effects.ts';
import { loadStatementParser } from '../../../src/postgres/sql/statements.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';

let postgres: TestPostgres;
let client: pg.Client;
const notices: string[] = [];

beforeAll(async () => {
  postgres = await startTestPostgres();
  client = await postgres.connect();
  client.on('notice', ({ message }) => message !== undefined && notices.push(message));
  await client.query('CREATE TABLE t AS SELECT i AS a, i AS b FROM generate_series(1, 1000) AS i');
  await client.query('SET client_min_messages = debug1');
});
afterAll(() => postgres[Symbol.asyncDispose]());

/** The SQL of the advice for a statement. */
async function adviceFor(sql: string): Promise<readonly string[]> {
  const parse = await loadStatementParser();
  const [risk] = parse(sql).flatMap(({ tree, text }) => tableEffectsOf(tree, text).risks);
  return risk?.advice.split('\n').filter((line) => /^(?:ALTER|CREATE) /.test(line)) ?? [];
}

/** @see https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL */
it('makes a column required without reading the table under its lock', async () => {
  const lines = await adviceFor('ALTER TABLE t ALTER COLUMN a SET NOT NULL');
  for (const line of lines) await client.query(line);
  expect(notices.splice(0)).toContain(
    'existing constraints on column "t.a" are sufficient to prove that it does not contain nulls',
  );
  await expect(client.query('INSERT INTO t VALUES (NULL, 1)')).rejects.toMatchObject({ code: '23502' });
  expect(
    (await client.query("SELECT FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'")).rowCount,
  ).toBe(0);
});

it('makes a column unique with an index that is built beside running writes', async () => {
  for (const line of await adviceFor('ALTER TABLE t ADD UNIQUE (b)')) await client.query(line);
  await expect(client.query('INSERT INTO t VALUES (1, 1)')).rejects.toMatchObject({ code: '23505' });
});

/** What a statement makes is what its advice makes, when the lines of the advice are copied. */
it.each([
  'CREATE INDEX one ON t (a DESC NULLS LAST, lower(c)) INCLUDE (b) WITH (fillfactor = 70) WHERE b > 3',
  "CREATE INDEX one ON t USING gin (to_tsvector('simple', c))",
  'CREATE UNIQUE INDEX IF NOT EXISTS one ON t (b, a) NULLS NOT DISTINCT',
  'ALTER TABLE t ADD CONSTRAINT one UNIQUE NULLS NOT DISTINCT (b) INCLUDE (a) DEFERRABLE INITIALLY DEFERRED',
  'ALTER TABLE t ADD CONSTRAINT "One" PRIMARY KEY (a, b)',
  'ALTER TABLE t ADD PRIMARY KEY (a)',
  'ALTER TABLE t ADD CONSTRAINT one FOREIGN KEY (a, b) REFERENCES u (y, x) MATCH FULL ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE',
  "ALTER TABLE t ADD CONSTRAINT one CHECK (c <> 'x;' AND a > 0)",
])('has the same result as the statement, with another lock: %s', async (sql) => {
  const made = async (schema: string, statements: readonly string[]) => {
    await client.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema};
      CREATE TABLE t AS SELECT i AS a, i AS b, i::text AS c FROM generate_series(1, 10) AS i;
      CREATE TABLE u (x int, y int, PRIMARY KEY (y, x)); INSERT INTO u SELECT a, a FROM t`);
    for (const statement of statements) await client.query(statement);
    const { rows } = await client.query(
      `SELECT pg_get_constraintdef(oid) AS definition, conname AS name, convalidated AS valid FROM pg_constraint
       WHERE conrelid = 't'::regclass AND contype <> 'n'
       UNION SELECT replace(pg_get_indexdef(indexrelid), '${schema}.', ''), '', indisvalid FROM pg_index WHERE indrelid = 't'::regclass
       ORDER BY 1`,
    );
    await client.query(`RESET search_path; DROP SCHEMA ${schema} CASCADE`);
    return rows;
  };
  const expected = await made('plain', [sql]);
  expect(expected).not.toEqual([]);
  const advice = await adviceFor(sql);
  expect(advice.join()).toMatch(/CONCURRENTLY|NOT VALID/);
  expect(await made('advised', advice)).toEqual(expected);
});

it('takes no function for a stable one that may have another value in each row', async () => {
  const { rows } = await client.query<{ name: string; is_volatile: boolean }>(
    `SELECT proname AS name, bool_or(provolatile = 'v') AS is_volatile FROM pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ($1) GROUP BY proname ORDER BY proname`,
    [[...stableFunctions]],
  );
  expect(rows.map(({ name }) => name)).toEqual([...stableFunctions].toSorted());
  expect(rows.filter(({ is_volatile }) => is_volatile)).toEqual([]);
});

it.each([
  'ADD COLUMN x int CHECK (x > 0)',
  'ADD COLUMN x int DEFAULT 1 CHECK (x > 0)',
  'ADD COLUMN x int REFERENCES others',
  'ADD COLUMN x int DEFAULT 1 REFERENCES others',
  'ADD COLUMN x int NOT NULL DEFAULT 1',
  'ADD COLUMN x uuid DEFAULT gen_random_uuid()',
  'ADD COLUMN x bigserial',
  'ADD COLUMN x int GENERATED ALWAYS AS IDENTITY',
  'ADD COLUMN x int GENERATED ALWAYS AS (a * 2) STORED',
  'ADD COLUMN x int GENERATED ALWAYS AS (a * 2) VIRTUAL',
  "ADD COLUMN x timestamptz DEFAULT 'now'",
  'ADD CONSTRAINT x CHECK (a > 0)',
  'ADD CONSTRAINT x CHECK (a > 0) NOT VALID',
  'ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES others',
  'ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES others NOT VALID',
  'ALTER COLUMN b TYPE bigint',
  'ALTER COLUMN b SET NOT NULL',
  'ALTER COLUMN b DROP NOT NULL',
  'SET UNLOGGED',
])('reports whether PostgreSQL reads or writes all rows: %s', async (command) => {
  await client.query(`
    DROP TABLE IF EXISTS touched, others;
    CREATE TABLE others (id int PRIMARY KEY);
    INSERT INTO others SELECT generate_series(1, 10);
    CREATE TABLE touched AS SELECT i AS a, i AS b FROM generate_series(1, 10) AS i`);
  notices.length = 0;
  const sql = `ALTER TABLE touched ${command}`;
  await client.query(sql);
  const touches = /^(?:rewriting|verifying) table "touched"|^validating foreign key/;
  const parse = await loadStatementParser();
  const risks = parse(sql).flatMap(({ tree, text }) => tableEffectsOf(tree, text).risks);
  expect(risks.some(({ work }) => work !== undefined)).toBe(notices.some((notice) => touches.test(notice)));
});
