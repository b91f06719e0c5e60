import { Migration } from '@mikro-orm/migrations';
import { expect, it } from 'vitest';
import { describeMigration } from '../../../src/migrator/files/describe.ts';
import type { MigrationFile } from '../../../src/migrator/files/migration-file.ts';
import { MigrationFolder } from '../../../src/migrator/files/migration-folder.ts';
import { lintBatch } from '../../../src/migrator/lint/lint.ts';

let count = 0;

function migration(statements: readonly string[], transactional = true): Promise<MigrationFile> {
  count += 1;
  const name = `2027010100000${count % 10}_m${count}`;
  const source = `export default class extends Migration {\n  override up() {\n${statements.map((sql) => `    this.addSql(\`${sql}\`);\n`).join('')}  }\n}\n`;
  class Written extends Migration {
    override up() {
      for (const sql of statements) this.addSql(sql);
    }
    override isTransactional() {
      return transactional;
    }
  }
  return describeMigration(Written, { name, scope: 'TENANT', hash: name }, source);
}

async function rules(...batch: readonly (readonly string[])[]): Promise<string[]> {
  const files = await Promise.all(batch.map((statements) => migration(statements)));
  return lintBatch(files).map(({ rule }) => rule);
}

it('says where a statement stands, what it does and what to write instead', async () => {
  const file = await migration(['SELECT 1', 'CREATE INDEX "by Name" ON products (name, lower(sku))']);
  expect(lintBatch([file])).toEqual([
    {
      migration: file.name,
      rule: 'require-concurrent-index-creation',
      severity: 'WARNING',
      table: 'products',
      work: { kind: 'INDEX', columns: ['name'] },
      line: 4,
      statement: 'CREATE INDEX "by Name" ON products (name, lower(sku))',
      message: expect.stringContaining('Nobody can write to products'),
      advice: expect.stringContaining('CREATE INDEX CONCURRENTLY "by Name" ON products (name, lower(sku));'),
      allowedBecause: undefined,
    },
  ]);
});

it('leaves out tables that the batch creates, in this file or an earlier one', async () => {
  expect(await rules(['CREATE TABLE t (id int)', 'CREATE INDEX ON t (id)', 'CREATE INDEX ON u (id)'])).toHaveLength(1);
  expect(
    await rules(['CREATE TABLE t AS SELECT 1 AS id'], ['ALTER TABLE t ADD UNIQUE (id)', 'UPDATE t SET id = 2']),
  ).toEqual([]);
  expect(await rules(['CREATE INDEX ON t (id)', 'CREATE TABLE t (id int)'])).toEqual([
    'require-concurrent-index-creation',
  ]);
});

it.each(['CREATE TABLE IF NOT EXISTS t (id int)', 'CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS id'])(
  'takes no table for a new one that may be there already: %s',
  async (create) => {
    expect(await rules([create, 'CREATE INDEX ON t (id)'])).toEqual(['require-concurrent-index-creation']);
  },
);

it('reports a constraint that is validated in the transaction that adds it', async () => {
  const add = 'ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID';
  const validate = 'ALTER TABLE t VALIDATE CONSTRAINT c';
  expect(await rules([add], [validate])).toEqual(['validating-in-same-batch']);
  expect(await rules([add, validate])).toEqual(['validating-in-same-batch']);
  expect(await rules([validate])).toEqual([]);
  const [added, alone] = [await migration([add]), await migration([validate], false)];
  expect(lintBatch([added, alone])).toEqual([]);
});

it('shows the reason of a comment that allows a rule, for the statement after it', async () => {
  const file = await migration([
    '-- tenantry: allow changing-rows because there are five\nUPDATE t SET a = 1; UPDATE t SET a = 2',
  ]);
  expect(lintBatch([file]).map(({ line, allowedBecause }) => ({ line, allowedBecause }))).toEqual([
    { line: 4, allowedBecause: 'there are five' },
    { line: 4, allowedBecause: undefined },
  ]);
});

it.each([
  ['-- tenantry: allow changing-rows\nUPDATE t SET a = 1', ['changing-rows', 'unused-allowance'], 'gives no reason'],
  [
    '-- tenantry: allow changing-row because few\nUPDATE t SET a = 1',
    ['changing-rows', 'unused-allowance'],
    'there is no such rule',
  ],
  [
    '-- tenantry: allow changing-rows because few\nSELECT 1',
    ['unused-allowance'],
    'which this statement does not break',
  ],
])('reports a comment that allows nothing: %s', async (sql, found, message) => {
  const warnings = lintBatch([await migration([sql])]);
  expect(warnings.map(({ rule }) => rule)).toEqual(found);
  expect(warnings.at(-1)?.message).toContain(message);
});

it('takes no text for a comment', async () => {
  const text = `CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN\n-- tenantry: allow changing-rows because few\nRETURN 1; END $$; UPDATE t SET a = '-- tenantry: allow changing-rows because few'`;
  const [warning] = lintBatch([await migration([text])]);
  expect(warning).toMatchObject({ rule: 'changing-rows', allowedBecause: undefined });
});

it('has nothing to say of the migrations that Tenantry comes with', async () => {
  const folder = new MigrationFolder('migrations/tenant', 'TENANT');
  expect(lintBatch(await folder.read())).toEqual([]);
});
