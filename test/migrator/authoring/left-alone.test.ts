import { p } from '@mikro-orm/core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuthoringServer } from '../../support/authoring.ts';
import { entity } from '../../support/every-entity/entity.ts';

let server: AuthoringServer;

beforeAll(async () => {
  server = await AuthoringServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const rooms = (more: Record<string, unknown> = {}) => [
  entity({
    name: 'Room',
    tableName: 'rooms',
    properties: { id: p.integer().primary(), name: p.text(), during: p.string().columnType('tstzrange'), ...more },
  }),
];

/** What entities cannot say, or what a migration may make by hand although they can. */
const byHand: readonly (readonly [what: string, up: string, down: string])[] = [
  [
    'an exclusion constraint',
    'ALTER TABLE rooms ADD CONSTRAINT rooms_during_excl EXCLUDE USING gist (during WITH &&)',
    'ALTER TABLE rooms DROP CONSTRAINT rooms_during_excl',
  ],
  ['a function', 'CREATE FUNCTION twice(int) RETURNS int RETURN 2 * $1', 'DROP FUNCTION twice'],
  [
    'a trigger',
    `CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
     CREATE TRIGGER touch BEFORE INSERT ON rooms FOR EACH ROW EXECUTE FUNCTION touch()`,
    'DROP TRIGGER touch ON rooms; DROP FUNCTION touch',
  ],
  [
    'row security with a policy',
    'ALTER TABLE rooms ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY own ON rooms USING (id > 0)',
    'DROP POLICY own ON rooms; ALTER TABLE rooms DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY',
  ],
  [
    'comments',
    "COMMENT ON TABLE rooms IS 'x'; COMMENT ON COLUMN rooms.name IS 'y'",
    'COMMENT ON TABLE rooms IS NULL; COMMENT ON COLUMN rooms.name IS NULL',
  ],
  ['a grant', 'GRANT SELECT ON rooms TO PUBLIC', 'REVOKE SELECT ON rooms FROM PUBLIC'],
  ['a sequence', 'CREATE SEQUENCE numbers', 'DROP SEQUENCE numbers'],
  ['statistics', 'CREATE STATISTICS both_of ON id, name FROM rooms', 'DROP STATISTICS both_of'],
  ['a view', 'CREATE VIEW named AS SELECT id FROM rooms WHERE name IS NOT NULL', 'DROP VIEW named'],
  [
    'a materialized view',
    'CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM rooms',
    'DROP MATERIALIZED VIEW counts',
  ],
  ['an enum type', "CREATE TYPE mood AS ENUM ('a', 'b')", 'DROP TYPE mood'],
  ['a domain', 'CREATE DOMAIN positive AS int CHECK (value > 0)', 'DROP DOMAIN positive'],
];

it('migrations by hand make all this, and nothing drops it', async () => {
  await using product = await server.product();
  await product.write(rooms(), 'create');
  for (const [index, [, up, down]] of byHand.entries()) {
    const second = String(index).padStart(2, '0');
    await product.migrations.addReversible(`209901010000${second}_by_hand`, up, down);
  }
  await product.migrate();
  expect(await product.check(rooms())).toEqual([]);
  expect(await product.drift(rooms())).toEqual([]);
  await expect(product.write(rooms())).rejects.toThrow('nothing to write');

  const more = rooms({ size: p.integer().nullable() });
  const { text, drops } = await product.write(more, 'unrelated');
  expect(text.match(/addSql/g)).toHaveLength(2);
  expect(drops).toEqual(['down() drops the column rooms.size with all its values']);
  await product.migrate();
  expect(await product.check(more)).toEqual([]);
  await product.migrate(1 + byHand.length);
  expect(await product.drift(rooms())).toEqual([]);
});

it('a migration by hand makes a partitioned table of an entity, with its partitions', async () => {
  await using product = await server.product();
  await product.migrations.addReversible(
    '20270101000000_logs',
    `CREATE TABLE rooms (id serial PRIMARY KEY, name text NOT NULL, during tstzrange NOT NULL) PARTITION BY RANGE (id);
     CREATE TABLE rooms_1 PARTITION OF rooms FOR VALUES FROM (1) TO (100); CREATE TABLE rooms_rest PARTITION OF rooms DEFAULT`,
    'DROP TABLE rooms',
  );
  await product.migrate();
  expect(await product.check(rooms())).toEqual([]);
  expect(await product.drift(rooms())).toEqual([]);
  await expect(product.write(rooms())).rejects.toThrow('nothing to write');
});

it('an index and a table that no entity has are reported, with advice for both ways', async () => {
  await using product = await server.product();
  await product.write(rooms(), 'create');
  await product.migrations.addReversible(
    '20990101000000_by_hand',
    'CREATE INDEX rooms_lower ON rooms (lower(name))',
    'DROP INDEX rooms_lower',
  );
  expect(await product.check(rooms())).toEqual([
    {
      kind: 'ENTITIES_DIFFER',
      scope: 'TENANT',
      message: expect.stringMatching(/create what no entity declares\. Declare it in its entity.*or write a migration/),
      sql: ['drop index "rooms_lower"'],
    },
  ]);
  expect((await product.check(rooms({ size: p.integer().nullable() }))).map(({ message }) => message)).toEqual([
    expect.stringContaining('do not create what the entities describe'),
    expect.stringContaining('create what no entity declares'),
  ]);
});

it('marks each statement that drops something in the file, with what is lost', async () => {
  await using product = await server.product();
  const before = [
    entity({
      name: 'Room',
      tableName: 'rooms',
      checks: [
        { name: 'rooms_name_check', expression: "name <> ''" },
        { name: 'rooms_id_check', expression: 'id > 0' },
      ],
      indexes: [{ name: 'rooms_name_idx', properties: ['name'] }],
      properties: { id: p.integer().primary(), name: p.text().default('x'), size: p.integer() },
    }),
    entity({ name: 'Old', tableName: 'olds', properties: { id: p.integer().primary() } }),
    entity({
      name: 'Seen',
      tableName: 'seen',
      view: true,
      expression: 'SELECT id FROM rooms',
      properties: { id: p.integer().primary() },
    }),
  ];
  const after = [
    entity({
      name: 'Room',
      tableName: 'rooms',
      checks: [{ name: 'rooms_id_check', expression: 'id > 1' }],
      properties: { id: p.integer().primary(), name: p.text() },
    }),
  ];
  await product.write(before, 'create');
  await product.migrate();
  // The snapshot of what entities declared tells that the view was one of them, as long as no text must be compared.
  const { text, drops } = await product.write(after);
  expect(drops.filter((drop) => drop.startsWith('up()'))).toEqual([
    'up() drops the table olds with all its rows and whatever depends on it',
    'up() drops the index rooms_name_idx',
    'up() drops the constraint rooms_name_check of rooms',
    'up() drops the constraint rooms_id_check of rooms; it is made again below',
    'up() drops the column rooms.size with all its values',
    'up() drops the default of rooms.name',
  ]);
  const marks = text.match(/\/\/ DROP: .*\n\s*this\.addSql\(\s*'\w+/g) ?? [];
  expect(marks).toHaveLength(drops.length);
  expect(text).toMatch(
    /\/\/ DROP: the column rooms\.size with all its values\.\n\s*this\.addSql\('alter table "rooms" drop column "size"/,
  );
});

it('drops a view that an entity declared until now', async () => {
  await using product = await server.product();
  const seen = entity({
    name: 'Seen',
    tableName: 'seen',
    view: true,
    expression: 'SELECT id FROM rooms',
    properties: { id: p.integer().primary() },
  });
  await product.write([...rooms(), seen], 'create');
  await product.migrate();
  const { drops } = await product.write(rooms());
  expect(drops).toEqual([expect.stringContaining('up() drops the view seen')]);
  await product.migrate();
  expect(await product.query("SELECT viewname FROM pg_views WHERE viewname = 'seen'")).toEqual([]);
  await product.migrate(1);
  expect(await product.drift([...rooms(), seen])).toEqual([]);
});

it('a changed view does not take a view by hand with it, whose migration then has to come first', async () => {
  await using product = await server.product();
  const seen = (expression: string) => [
    ...rooms(),
    entity({ name: 'Seen', tableName: 'seen', view: true, expression, properties: { id: p.integer().primary() } }),
  ];
  await product.write(seen('SELECT id FROM rooms'), 'create');
  const byHandName = '20990101000000_by_hand';
  await product.migrations.addReversible(byHandName, 'CREATE VIEW more AS SELECT id FROM seen', 'DROP VIEW more');
  await product.migrate();
  const { text } = await product.write(seen('SELECT id FROM rooms WHERE id > 0'), 'change');
  expect(text).not.toContain('cascade');
  await expect(product.migrate()).rejects.toThrow('cannot drop view seen because other objects depend on it');
});
