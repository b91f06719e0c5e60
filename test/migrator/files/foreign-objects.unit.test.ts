import { expect, it } from 'vitest';
import { obstacleOf } from '../../../src/migrator/files/obstacles.ts';
import { readStatements } from '../../../src/migrator/files/source-statements.ts';
import { loadStatementParser } from '../../../src/postgres/sql/statements.ts';

const parse = await loadStatementParser();
const obstacleIn = (...texts: string[]) =>
  obstacleOf({ scope: 'TENANT', transactional: true }, readStatements(texts, parse));

// https://www.postgresql.org/docs/current/ddl-schemas.html
it.each([
  'CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public',
  'CREATE ROLE x',
  'CREATE USER y',
  'ALTER ROLE x SET a=b',
  'DROP ROLE x',
  'CREATE SCHEMA audit',
  'DROP SCHEMA audit',
  'ALTER SCHEMA a RENAME TO b',
  'CREATE TABLE public.notes (id int)',
  'CREATE TABLE a.b AS SELECT 1',
  'CREATE INDEX ON public.notes (id)',
  'ALTER TABLE public.notes ADD x int',
  'DROP TABLE public.notes, b',
  'CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
  "CREATE TYPE public.t AS ENUM ('a')",
  'INSERT INTO public.notes VALUES (1)',
  'SELECT * INTO public.x FROM y',
  'CREATE VIEW public.v AS SELECT 1',
  "COMMENT ON TABLE public.x IS 'a'",
  "COMMENT ON COLUMN public.x.y IS 'a'",
  'ALTER TABLE x SET SCHEMA public',
  'CREATE TABLE x (a public.t REFERENCES common.units)',
  'CREATE TRIGGER t AFTER INSERT ON public.x FOR EACH ROW EXECUTE FUNCTION f()',
  'GRANT SELECT ON public.x TO y',
  'CREATE DOMAIN public.d AS int',
  'CREATE SEQUENCE public.s',
  'ALTER EXTENSION citext UPDATE',
  'DROP EXTENSION citext',
  'ALTER FUNCTION f() SET SCHEMA public',
  'SELECT public.f()',
  'INSERT INTO common.units VALUES (1)',
  'CREATE TABLE common.u (id int)',
  'WITH x AS (DELETE FROM public.y RETURNING *) SELECT * FROM x',
  'SELECT nextval(1) FROM audit.log',
  'CREATE POLICY p ON public.x',
  'TRUNCATE public.x',
  'DROP FUNCTION public.f(int)',
  "ALTER TYPE public.t ADD VALUE 'x'",
  'ALTER DATABASE x SET a = 1',
  'CREATE OPERATOR public.+ (leftarg=int,rightarg=int,function=f)',
  'CREATE AGGREGATE public.a(int) (sfunc=f,stype=int)',
  'ALTER TABLE x ADD FOREIGN KEY (a) REFERENCES public.y',
  'COPY public.x FROM stdin',
  'DELETE FROM other.x USING y',
  'CREATE TABLE x (LIKE public.y)',
  'CREATE TABLE x () INHERITS (public.y)',
  'DROP TRIGGER t ON public.x',
  'GRANT a TO b',
  'VACUUM public.x',
  'UPDATE pg_catalog.pg_class SET relname = relname',
  'CREATE STATISTICS public.s ON a, b FROM x',
  'LOCK TABLE public.x',
  'DROP TYPE public.x',
  'CREATE CAST (public.x AS text) WITH INOUT',
  'MERGE INTO public.x USING y ON true WHEN MATCHED THEN DELETE',
  'REINDEX TABLE public.x',
  'DROP AGGREGATE public.a(int)',
  'ALTER OPERATOR FAMILY public.f USING btree ADD FUNCTION 1 f(int,int)',
  'CREATE OPERATOR CLASS public.c FOR TYPE int USING btree AS FUNCTION 1 f(int,int)',
])('a tenant’s migration may not: %s', (sql) => {
  const obstacle = obstacleIn('SELECT 1', `SELECT 'ä'; ${sql}; SELECT 2`);
  expect(obstacle).toContain(`would leave the tenant's schema (${sql}). `);
});

it.each([
  'CREATE TABLE notes (id int, at timestamptz, unit text REFERENCES common.units)',
  "SELECT pg_catalog.set_config('a','b',true)",
  'SELECT n.id, n.a FROM notes n',
  "COMMENT ON COLUMN notes.id IS 'x'",
  'DROP TRIGGER t ON notes',
  'ALTER TABLE notes ADD CONSTRAINT c CHECK (notes.id > 0)',
  'SELECT * FROM information_schema.tables',
  'CREATE TEMP TABLE pg_temp.x (id int)',
  'UPDATE notes SET a = common.twice(notes.b)',
  'CREATE TABLE x (a common.grade)',
  'DROP TABLE a, b',
  'CREATE FUNCTION f(x common.grade) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
  'CREATE TRIGGER t AFTER INSERT ON x FOR EACH ROW EXECUTE FUNCTION common.touch()',
  "COMMENT ON CONSTRAINT c ON notes IS 'a'",
  'DROP FUNCTION f(int)',
  'CREATE INDEX i ON notes USING gin (name common.gin_trgm_ops)',
  'GRANT SELECT ON notes TO y',
  'ALTER TABLE notes RENAME COLUMN a TO b',
  "COMMENT ON DOMAIN d IS 'x'",
  'DROP OPERATOR + (int, int)',
  'CREATE VIEW v AS SELECT notes.* FROM notes',
  'DROP TYPE a, b',
  'DROP SEQUENCE a',
  'CREATE SEQUENCE s OWNED BY notes.id',
  'SELECT (x).y.z FROM x',
  'ALTER SEQUENCE s OWNED BY notes.id',
  'DROP POLICY p ON x',
  'SET search_path = public',
  'DROP RULE r ON x',
  'INSERT INTO x (a.b) VALUES (1)',
  "COMMENT ON TYPE x IS 'y'",
  'DROP OPERATOR CLASS c USING btree',
  'ALTER TABLE x ALTER a TYPE pg_catalog.int8',
  'SELECT a.b.c FROM a',
])('a tenant’s migration may: %s', (sql) => {
  expect(obstacleIn(sql)).toBeUndefined();
});

it('leaves to the server what the parser does not know', () => {
  expect(obstacleIn('CREATE TABEL public.x (id int)')).toBeUndefined();
});
