import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { lintRules } from '../../../src/migrator/lint/risk.ts';
import { tableEffectsOf } from '../../../src/migrator/lint/statement-effects.ts';
import { loadStatementParser } from '../../../src/postgres/sql/statements.ts';

const parse = await loadStatementParser();

function rulesOf(sql: string): string[] {
  return parse(sql).flatMap(({ tree, text }) =>
    tableEffectsOf(tree, text).risks.map(({ rule, severity }) => `${severity} ${rule}`),
  );
}

/**
 * What is dangerous on a table with rows.
 * @see https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 */
it.each([
  // Constants are stored once, and so is what has one value for the whole statement.
  ['ALTER TABLE t ADD COLUMN a int', []],
  ['ALTER TABLE t ADD COLUMN a int DEFAULT 1', []],
  ["ALTER TABLE t ADD COLUMN a text NOT NULL DEFAULT 'x'", []],
  ['ALTER TABLE t ADD COLUMN a timestamptz DEFAULT now()', []],
  ['ALTER TABLE t ADD COLUMN a timestamptz DEFAULT CURRENT_TIMESTAMP', []],
  ['ALTER TABLE t ADD COLUMN a int REFERENCES other', []],
  ['ALTER TABLE t ADD COLUMN a int CHECK (a > 0)', ['WARNING constraint-missing-not-valid']],
  ["ALTER TABLE t ADD COLUMN a timestamp DEFAULT (now() AT TIME ZONE 'utc')", []],
  ["ALTER TABLE t ADD COLUMN a jsonb DEFAULT pg_catalog.jsonb_build_object('a', date_trunc('day', now()))", []],
  ['ALTER TABLE t ADD COLUMN a text DEFAULT common.lower(1)', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a text DEFAULT lower(random()::text)', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a int DEFAULT 1 REFERENCES other', ['WARNING adding-foreign-key-constraint']],
  ['ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid()', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a float DEFAULT 1 + random()', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a timestamptz DEFAULT clock_timestamp()', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a bigserial', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS IDENTITY', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b * 2) STORED', ['ERROR adding-field-with-default']],
  ['ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b * 2) VIRTUAL', []],
  ['ALTER TABLE t ADD COLUMN a int DEFAULT 1 REFERENCES other', ['WARNING adding-foreign-key-constraint']],
  ['ALTER TABLE t ADD COLUMN a int DEFAULT 1 CHECK (a > 0)', ['WARNING constraint-missing-not-valid']],
  ['ALTER TABLE t ADD COLUMN a int NOT NULL', ['ERROR adding-required-field']],
  ['ALTER TABLE t ADD COLUMN a int UNIQUE', ['ERROR disallowed-unique-constraint']],
  [
    'ALTER TABLE t ADD COLUMN a bigserial PRIMARY KEY',
    ['ERROR adding-field-with-default', 'ERROR disallowed-unique-constraint'],
  ],

  ['ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)', ['WARNING constraint-missing-not-valid']],
  ['ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID', []],
  ['ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED', []],
  ['ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES other', ['WARNING adding-foreign-key-constraint']],
  ['ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES other NOT VALID', []],
  ['ALTER TABLE t VALIDATE CONSTRAINT c', []],
  ['ALTER TABLE t ADD UNIQUE (a)', ['ERROR disallowed-unique-constraint']],
  ['ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i', []],
  ['ALTER TABLE t ADD CONSTRAINT c PRIMARY KEY USING INDEX i', []],
  ['ALTER TABLE t ADD UNIQUE (a, b WITHOUT OVERLAPS)', ['WARNING adding-exclusion-constraint']],
  ['ALTER TABLE t ADD EXCLUDE USING gist (a WITH &&)', ['WARNING adding-exclusion-constraint']],
  ['ALTER TABLE t ALTER COLUMN a SET NOT NULL', ['WARNING adding-not-nullable-field']],
  ['ALTER TABLE t ADD CONSTRAINT c NOT NULL a', ['WARNING adding-not-nullable-field']],
  ['ALTER TABLE t ADD CONSTRAINT c NOT NULL a NOT VALID', []],
  ['ALTER TABLE t ALTER COLUMN a DROP NOT NULL, ALTER b SET DEFAULT random()', []],

  ['ALTER TABLE t ALTER COLUMN a TYPE bigint', ['ERROR changing-column-type']],
  ['ALTER TABLE t ALTER COLUMN a TYPE text', ['WARNING changing-column-type']],
  ['ALTER TABLE t ALTER COLUMN a TYPE text USING lower(a)', ['ERROR changing-column-type']],
  ['ALTER TABLE t DROP COLUMN a', ['WARNING ban-drop-column']],
  ['ALTER TABLE t DROP COLUMN a CASCADE', ['WARNING ban-drop-column', 'WARNING ban-drop-cascade']],
  ['ALTER TABLE t DROP CONSTRAINT t_pkey CASCADE', ['WARNING ban-drop-cascade']],
  ['ALTER TABLE t SET UNLOGGED', ['ERROR rewriting-table']],
  ['ALTER TABLE t SET TABLESPACE x', ['ERROR rewriting-table']],
  ['ALTER TABLE t SET (fillfactor = 70)', []],
  ['ALTER TABLE t RENAME COLUMN a TO b', ['WARNING renaming-column']],
  ['ALTER TABLE t RENAME TO u', ['WARNING renaming-table']],
  ['ALTER TABLE t RENAME CONSTRAINT a TO b', []],
  ['ALTER INDEX i RENAME TO j', []],
  ['ALTER VIEW v RENAME COLUMN a TO b', []],
  ['DROP TABLE t, u', ['WARNING ban-drop-table', 'WARNING ban-drop-table']],
  ['TRUNCATE t', ['WARNING ban-drop-table']],
  ['TRUNCATE t CASCADE', ['WARNING ban-drop-table', 'WARNING ban-truncate-cascade']],
  ['DROP TABLE t CASCADE', ['WARNING ban-drop-table', 'WARNING ban-drop-cascade']],
  ['DROP TYPE e CASCADE', ['WARNING ban-drop-cascade']],
  ['ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (1) TO (2)', ['WARNING attaching-partition']],
  ['ALTER DOMAIN d ADD CHECK (VALUE > 0)', ['WARNING ban-alter-domain-with-add-constraint']],
  ['ALTER DOMAIN d SET NOT NULL', ['WARNING ban-alter-domain-with-add-constraint']],
  ['ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID', []],
  ['ALTER DOMAIN d VALIDATE CONSTRAINT c', []],
  ['ALTER DOMAIN d DROP NOT NULL', []],
  ['WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM gone', ['WARNING changing-rows']],
  ['WITH found AS (SELECT 1) SELECT * FROM found', []],
  ['DROP VIEW v', []],

  ['CREATE INDEX ON t (a)', ['WARNING require-concurrent-index-creation']],
  ['CREATE UNIQUE INDEX i ON t (lower(a))', ['WARNING require-concurrent-index-creation']],
  ['CREATE INDEX CONCURRENTLY i ON t (a)', []],
  ['DROP INDEX i', ['INFO require-concurrent-index-deletion']],
  ['DROP INDEX CONCURRENTLY i', []],
  ['REINDEX TABLE t', ['ERROR rewriting-table']],
  ['REINDEX TABLE CONCURRENTLY t', []],
  ['VACUUM FULL t', ['ERROR rewriting-table']],
  ['VACUUM t', []],
  ['CLUSTER t', ['ERROR rewriting-table']],
  ['REFRESH MATERIALIZED VIEW v', ['ERROR rewriting-table']],
  ['REFRESH MATERIALIZED VIEW CONCURRENTLY v', []],
  ['LOCK TABLE t', ['WARNING locking-table']],

  ['UPDATE t SET a = 1', ['WARNING changing-rows']],
  ['DELETE FROM t WHERE a = 1', ['WARNING changing-rows']],
  ["INSERT INTO permissions (name) VALUES ('notes:write')", []],
  ['SELECT 1', []],
  ['CREATE TABLE t (id int PRIMARY KEY, u text UNIQUE)', []],
  ['CREATE TEMP TABLE t AS SELECT 1', []],
  ['THIS IS NOT SQL', []],
])('%s', (sql, rules) => {
  expect(rulesOf(sql)).toEqual(rules);
});

it('gives advice that PostgreSQL can parse, once the author has filled in the gaps', () => {
  const statements = [
    'ALTER TABLE "Ords" ADD UNIQUE (a, "b c")',
    'CREATE UNIQUE INDEX ON "Ords" (a, lower(b))',
    'ALTER TABLE t ALTER COLUMN "select me" SET NOT NULL',
    'ALTER TABLE t ADD CONSTRAINT "X" FOREIGN KEY (a) REFERENCES "Others"',
    'ALTER TABLE t RENAME COLUMN a TO "b c"',
    'ALTER TABLE t RENAME TO "Us"',
    'ALTER TABLE t ALTER a TYPE int8',
    'DROP INDEX "I"',
    'ALTER TABLE t ADD COLUMN "A" uuid DEFAULT gen_random_uuid()',
    'ALTER TABLE t ADD COLUMN a text NOT NULL',
    'ALTER TABLE t ADD CHECK (a > 0)',
    'ALTER TABLE p ATTACH PARTITION "T" DEFAULT',
    'ALTER DOMAIN "D" SET NOT NULL',
  ];
  for (const sql of statements) {
    const [risk] = parse(sql).flatMap(({ tree, text }) => tableEffectsOf(tree, text).risks);
    const advice = risk?.advice.split('\n').filter((line) => /^(?:CREATE|ALTER|DROP) /.test(line)) ?? [];
    expect(advice, sql).not.toEqual([]);
    for (const line of advice) {
      const filled = line.replaceAll('…', line.includes('ADD COLUMN') ? 'text' : 'x');
      expect(parse(filled)[0]?.isParsed, filled).toBe(true);
    }
  }
});

it('documents each rule', async () => {
  const page = await readFile('docs/dangerous-statements.md', 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const documented = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([\w-]+)`/g)].map(([, rule]) => rule),
  );
  expect(documented.toSorted()).toEqual([...lintRules].toSorted());
});
