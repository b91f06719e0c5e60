import { describe, expect, it } from 'vitest';
import { findTransactionCommand, splitStatements } from '../../../src/postgres/sql/split-statements.ts';

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
  ])('%s', (_name, sql, statements) => {
    expect(splitStatements(sql)).toEqual(statements);
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

  it.each([
    'SAVEPOINT s; ROLLBACK TO s; ROLLBACK WORK TO SAVEPOINT s; RELEASE s',
    "SELECT 'COMMIT'; -- COMMIT\n/* ; COMMIT; */ SELECT 1 AS commit",
    'DO $$ BEGIN PERFORM 1; END $$',
    'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END',
    'PREPARE p AS SELECT 1; EXECUTE p',
    'CREATE TABLE "end" (id int); COMMENT ON TABLE "end" IS $$;COMMIT;$$',
    'CREATE TABLE commits (id int)',
  ])('is not seen where there is none: %s', (sql) => {
    expect(findTransactionCommand(sql)).toBeUndefined();
  });
});
