import { describe, expect, it } from 'vitest';
import { loadStatementParser, splitStatements } from '../../../src/postgres/sql/statements.ts';

const parse = await loadStatementParser();
const findTransactionCommand = (sql: string) => parse(sql).find(({ endsTransaction }) => endsTransaction)?.text;

describe('SQL is cut into statements', () => {
  it.each<[string, string, string[]]>([
    ['at semicolons', 'SELECT 1; SELECT 2;;', ['SELECT 1', 'SELECT 2']],
    ['leaving out what has only comments', '-- a\n; /* b */ ; SELECT 1 -- c', ['SELECT 1']],
    ['not in texts', "SELECT ';'';'; SELECT E'\\';'", ["SELECT ';'';'", "SELECT E'\\';'"]],
    ['not in quoted names', 'SELECT ";"";"; SELECT 2', ['SELECT ";"";"', 'SELECT 2']],
    ['not in dollar quotes', 'DO $a$ x; $$; $b$ $a$; SELECT $$;$$', ['DO $a$ x; $$; $b$ $a$', 'SELECT $$;$$']],
    ['not taking a name with $ for a quote', 'SELECT a$b$; SELECT c$b$', ['SELECT a$b$', 'SELECT c$b$']],
    [
      'not in comments, which nest',
      'SELECT /* ; /* ; */ ; */ 1; SELECT -- ;\n 2',
      ['SELECT /* ; /* ; */ ; */ 1', 'SELECT -- ;\n 2'],
    ],
    [
      'not in the parentheses of a rule',
      'CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3',
      ['CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)', 'SELECT 3'],
    ],
    [
      'not in the body of a function',
      'CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3',
      [
        'CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END',
        'SELECT 3',
      ],
    ],
    [
      'by the tags of dollar quotes, in which case counts',
      'DO $Outer$ a; $outer$ b; $outer$ $Outer$; SELECT 1',
      ['DO $Outer$ a; $outer$ b; $outer$ $Outer$', 'SELECT 1'],
    ],
    [
      'by the grammar, where begin and end are names',
      'CREATE FUNCTION f(begin int) RETURNS int LANGUAGE sql RETURN begin; CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS end; SELECT t.case FROM t; END; COMMIT',
      [
        'CREATE FUNCTION f(begin int) RETURNS int LANGUAGE sql RETURN begin',
        'CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS end; SELECT t.case FROM t; END',
        'COMMIT',
      ],
    ],
    ['at bytes, of which a character may have several', "SELECT 'ä€😀'; SELECT 'é'", ["SELECT 'ä€😀'", "SELECT 'é'"]],
    ['not at all if PostgreSQL cannot read it', 'SELECT 1; SELEC 2; COMMIT', ['SELECT 1; SELEC 2; COMMIT']],
    ['not at all with a zero byte', 'SELECT 1;\0 COMMIT', ['SELECT 1;\0 COMMIT']],
  ])('%s', async (_name, sql, statements) => {
    expect(await splitStatements(sql)).toEqual(statements);
    for (const { text, start } of parse(sql)) expect(sql.startsWith(text, start)).toBe(true);
  });
});

describe('a command that begins or ends a transaction', () => {
  it.each([
    'COMMIT',
    'commit and chain',
    'END',
    'ABORT',
    'ROLLBACK',
    'rollback work',
    'BEGIN',
    'START  TRANSACTION',
    "PREPARE TRANSACTION 'x'",
    "COMMIT PREPARED 'x'",
  ])('is found: %s', (command) => {
    expect(findTransactionCommand(command)).toBe(command);
    expect(findTransactionCommand(`/* ROLLBACK TO x */ SELECT 1; -- x\n${command} ; SELECT 2`)).toBe(command);
  });

  it.each(['/* x */ COMMIT AND LATER', ';; commit and later', "PREPARE TRANSACTION 'x' WITH LATER"])(
    'is found if the parser does not know its options: %s',
    (command) => {
      expect(findTransactionCommand(command)).toBe(command);
    },
  );

  it.each([
    'SAVEPOINT s; ROLLBACK TO s; ROLLBACK WORK TO SAVEPOINT s; RELEASE s',
    "SELECT 'COMMIT'; -- COMMIT\n/* ; COMMIT; */ SELECT 1 AS commit",
    'DO $$ BEGIN PERFORM 1; END $$',
    'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END',
    'PREPARE p AS SELECT 1; EXECUTE p',
    'CREATE TABLE "end" (id int); COMMENT ON TABLE "end" IS $$;COMMIT;$$',
    'CREATE TABLE commits (id int)',
    'SELECT $Doc$ run $doc$ a; commit; b $doc$ $Doc$',
    'CREATE TABEL commits (id int)',
  ])('is not seen where there is none: %s', (sql) => {
    expect(findTransactionCommand(sql)).toBeUndefined();
  });
});
