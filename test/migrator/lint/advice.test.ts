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
  const [risk] = parse(sql).flatMap(({ tree }) => tableEffectsOf(tree).risks);
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
