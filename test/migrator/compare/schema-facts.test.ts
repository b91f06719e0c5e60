import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compareFacts, describeDifference, essential } from '../../../src/migrator/compare/differences.ts';
import { hashSchemaFacts, readSchemaFacts } from '../../../src/migrator/compare/schema-facts.ts';
import { startTestPostgres, type TestPostgres } from '../../support/start-postgres.ts';

let postgres: TestPostgres;
let client: pg.Client;

beforeAll(async () => {
  postgres = await startTestPostgres();
  client = await postgres.connect();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const objects = [
  `CREATE TYPE state AS ENUM ('open', 'it''s')`,
  `CREATE TABLE orders (id serial PRIMARY KEY, state state DEFAULT 'open', note text COLLATE "C" UNIQUE)`,
  'CREATE TABLE lines ("order" int REFERENCES orders DEFERRABLE INITIALLY DEFERRED, n int GENERATED ALWAYS AS IDENTITY)',
  'CREATE VIEW open_orders AS SELECT id FROM orders',
  'CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM orders',
  'CREATE FUNCTION f(begin int) RETURNS int LANGUAGE sql SET search_path FROM CURRENT RETURN begin',
  'CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int)',
  'CREATE DOMAIN positive AS int CHECK (value > 0)',
  'CREATE TYPE pair AS (one int, two state)',
  'CREATE TABLE parts (id int) PARTITION BY LIST (id)',
  'CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1)',
  'CREATE STATISTICS both_of ON id, note FROM orders',
  `CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
  'CREATE TRIGGER touched AFTER INSERT ON orders EXECUTE FUNCTION t()',
  'ALTER TABLE orders ENABLE ROW LEVEL SECURITY',
  'CREATE POLICY all_of ON orders USING (id > 1)',
  'CREATE RULE keep AS ON DELETE TO lines DO INSTEAD NOTHING',
  'CREATE INDEX orders_lower ON orders (lower(note)) WHERE id > 3',
];

it('are the same for the same objects in schemas of any name, and tell each object that differs', async () => {
  for (const schema of ['tenant_0123456789', 'public']) {
    if (schema !== 'public') await client.query(`CREATE SCHEMA ${schema}`);
    await client.query(`SET search_path = ${schema}; ${objects.join(';')}`);
  }
  const [one, other] = [await readSchemaFacts(client, 'tenant_0123456789'), await readSchemaFacts(client, 'public')];
  expect(compareFacts(one, other)).toEqual([]);
  expect(await hashSchemaFacts(client, 'tenant_0123456789')).toBe(await hashSchemaFacts(client, 'public'));
  const kinds = new Set([...one.keys()].map((fact) => fact.split(' ')[0]));
  expect([...kinds].sort()).toEqual(
    'column constraint function index policy rule sequence statistics table trigger type'.split(' '),
  );

  await client.query(`SET search_path = public; ALTER TYPE state ADD VALUE 'void'; ALTER TABLE orders ADD COLUMN more int;
    ALTER TABLE lines DROP CONSTRAINT lines_order_fkey; DROP TABLE parts CASCADE; CREATE EXTENSION citext`);
  const changed = await readSchemaFacts(client, 'public');
  const differences = essential(compareFacts(one, changed));
  expect(differences.map((difference) => describeDifference(difference, ['in s', 'in d']))).toEqual([
    'column orders.more exists only in d',
    'constraint lines.lines_order_fkey exists only in s',
    'extension citext exists only in d',
    'table part_1 exists only in s',
    'table parts exists only in s',
    "type state is e 'open', 'it''s' in s, but e 'open', 'it''s', 'void' in d",
  ]);
  expect(await hashSchemaFacts(client, 'public')).not.toBe(await hashSchemaFacts(client, 'tenant_0123456789'));
});

it('leave out what only some versions of PostgreSQL keep: constraints for NOT NULL, which columns tell, and versions of extensions', async () => {
  await client.query(`CREATE SCHEMA strict; SET search_path = strict; CREATE DOMAIN filled AS text NOT NULL;
    CREATE TABLE notes (id int NOT NULL, title filled); CREATE EXTENSION btree_gist`);
  expect(Object.fromEntries(await readSchemaFacts(client, 'strict'))).toEqual({
    'table notes': 'r p',
    'column notes.id': '1 integer NOT NULL',
    'column notes.title': '2 filled',
    'type filled': 'd text NOT NULL',
    'extension btree_gist': 'default version',
  });
});
