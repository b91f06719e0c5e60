import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

it.each([
  'CREATE INDEX one ON made USING brin (a) WITH (pages_per_range = 8)',
  'CREATE UNIQUE INDEX one ON made (a DESC NULLS LAST, lower(c) text_pattern_ops) INCLUDE (b) WHERE b > 0',
  'CREATE UNIQUE INDEX IF NOT EXISTS one ON made (a) NULLS NOT DISTINCT',
  'ALTER TABLE made ADD PRIMARY KEY (a)',
  'ALTER TABLE made ADD CONSTRAINT one PRIMARY KEY (a, b)',
  'ALTER TABLE made ADD UNIQUE (a, "C d")',
  'ALTER TABLE made ADD CONSTRAINT "One" UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b) DEFERRABLE INITIALLY DEFERRED',
  'ALTER TABLE made ADD CONSTRAINT one CHECK (a > 0 AND b > 0) NO INHERIT',
  'ALTER TABLE made ADD CONSTRAINT one FOREIGN KEY (a, b) REFERENCES pairs (y, x) MATCH FULL ON DELETE CASCADE DEFERRABLE',
])('gives advice that makes what the statement makes: %s', async (sql) => {
  const made = async (statements: readonly string[]) => {
    await client.query(`
      DROP TABLE IF EXISTS made, pairs;
      CREATE TABLE pairs (x int, y int, PRIMARY KEY (y, x));
      CREATE TABLE made (a int, b int, c text, "C d" int)`);
    for (const statement of statements) await client.query(statement);
    const { rows } = await client.query(`
      SELECT pg_get_indexdef(indexrelid) AS is FROM pg_index WHERE indrelid = 'made'::regclass
      UNION ALL
      SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'made'::regclass ORDER BY 1`);
    return rows;
  };
  expect(await made(await adviceFor(sql))).toEqual(await made([sql]));
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
