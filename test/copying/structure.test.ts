import { afterAll, beforeAll, expect, it } from 'vitest';
import { copyPlace } from '../../src/copying/copy-place.ts';
import { readSchemaFacts } from '../../src/migrator/compare/schema-facts.ts';
import { CopyLab, historySql, type LabPlace } from '../support/copy-lab.ts';

let lab: CopyLab;
beforeAll(async () => {
  lab = await CopyLab.start();
});
afterAll(() => lab[Symbol.asyncDispose]());

const signal = new AbortController().signal;

/** Makes the same tables in two places on two servers, with rows in the first, and copies them. */
async function copied(sql: string, rowsSql: string, targetRows = ''): Promise<{ source: LabPlace; target: LabPlace }> {
  const source = await lab.one.make('SCHEMA', `${historySql}; ${sql}; ${rowsSql}`);
  const target = await lab.other.make('DATABASE', `${historySql}; ${sql}; ${targetRows}`);
  const before = await facts(target);
  await copyPlace({ from: source, to: target, parallel: 2, signal });
  expect(await facts(target)).toEqual(before);
  return { source, target };
}

const facts = (place: LabPlace) =>
  place.use(async (client) => ({
    ...Object.fromEntries(await readSchemaFacts(client, place.schema)),
    comments: (
      await client.query(
        `SELECT conname, obj_description(oid, 'pg_constraint') AS text FROM pg_constraint
         WHERE obj_description(oid, 'pg_constraint') IS NOT NULL AND connamespace = quote_ident($1)::regnamespace`,
        [place.schema],
      )
    ).rows,
  }));

const expectSame = async ({ source, target }: { source: LabPlace; target: LabPlace }, ...queries: string[]) => {
  for (const sql of queries) {
    const rows = await source.rows(sql);
    expect(rows.length, sql).toBeGreaterThan(0);
    expect(await target.rows(sql), sql).toEqual(rows);
  }
};

it('rows that refer to each other in circles, to themselves and to what comes later', async () => {
  const places = await copied(
    `CREATE TABLE people (id int PRIMARY KEY, boss int REFERENCES people, team int);
     CREATE TABLE teams (id int PRIMARY KEY, lead int NOT NULL REFERENCES people DEFERRABLE INITIALLY DEFERRED);
     ALTER TABLE people ADD CONSTRAINT "of a team" FOREIGN KEY (team) REFERENCES teams ON DELETE SET NULL DEFERRABLE;
     COMMENT ON CONSTRAINT "of a team" ON people IS 'it''s theirs';
     CREATE TABLE old (boss int); CREATE TABLE empty (team int REFERENCES teams);`,
    `INSERT INTO people VALUES (1, 2, NULL), (2, 1, NULL); INSERT INTO teams VALUES (1, 1); UPDATE people SET team = 1;
     INSERT INTO old VALUES (99); ALTER TABLE old ADD CONSTRAINT old_boss FOREIGN KEY (boss) REFERENCES people NOT VALID;
     ALTER TABLE old ADD CONSTRAINT small CHECK (boss < 5) NOT VALID`,
    `ALTER TABLE old ADD CONSTRAINT old_boss FOREIGN KEY (boss) REFERENCES people NOT VALID;
     ALTER TABLE old ADD CONSTRAINT small CHECK (boss < 5) NOT VALID;
     INSERT INTO people VALUES (7, 7, NULL); INSERT INTO teams VALUES (7, 7); INSERT INTO empty VALUES (7)`,
  );
  await expectSame(places, 'SELECT * FROM people ORDER BY id', 'SELECT * FROM teams', 'SELECT * FROM old');
  expect(await places.target.rows('SELECT * FROM empty')).toEqual([]);
  await expect(places.target.rows('INSERT INTO people VALUES (3, 9)')).rejects.toThrow('people_boss_fkey');
});

it('triggers in every state, which do not fire', async () => {
  const places = await copied(
    `CREATE TABLE t (id int); CREATE TABLE log (what text);
     CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (TG_NAME); RETURN NEW; END $$;
     CREATE TRIGGER a_row BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION log();
     CREATE TRIGGER always AFTER INSERT ON t EXECUTE FUNCTION log(); ALTER TABLE t ENABLE ALWAYS TRIGGER always;
     CREATE TRIGGER "replica only" AFTER INSERT ON t EXECUTE FUNCTION log(); ALTER TABLE t ENABLE REPLICA TRIGGER "replica only";
     CREATE TRIGGER off AFTER INSERT ON t EXECUTE FUNCTION log(); ALTER TABLE t DISABLE TRIGGER off;
     CREATE TRIGGER emptied BEFORE TRUNCATE ON t EXECUTE FUNCTION log();
     CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log();
     CREATE RULE also AS ON INSERT TO t DO ALSO INSERT INTO log VALUES ('rule')`,
    'INSERT INTO t VALUES (1), (2)',
    'INSERT INTO t VALUES (3)',
  );
  await expectSame(places, 'SELECT * FROM t', 'SELECT what, count(*) FROM log GROUP BY 1 ORDER BY 1');
});

it('partitions of several levels, with keys to and from them', async () => {
  const places = await copied(
    `CREATE TABLE regions (code text PRIMARY KEY);
     CREATE TABLE sales (id int, region text REFERENCES regions, day date, PRIMARY KEY (id, region, day)) PARTITION BY LIST (region);
     CREATE TABLE sales_de PARTITION OF sales FOR VALUES IN ('de') PARTITION BY RANGE (day);
     CREATE TABLE sales_de_26 (day date NOT NULL, region text NOT NULL, id int NOT NULL, CONSTRAINT own_name FOREIGN KEY (region) REFERENCES regions);
     ALTER TABLE sales_de ATTACH PARTITION sales_de_26 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
     CREATE TABLE "sales rest" PARTITION OF sales DEFAULT;
     CREATE TABLE lines (id int, region text, day date, FOREIGN KEY (id, region, day) REFERENCES sales);
     CREATE TABLE sales_de_25 PARTITION OF sales_de FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
     CREATE TABLE sales_at PARTITION OF sales FOR VALUES IN ('at');
     CREATE FUNCTION nope() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'it has fired'; END $$;`,
    `INSERT INTO regions VALUES ('de'), ('at'), ('fr');
     INSERT INTO sales VALUES (1, 'de', '2025-05-05'), (2, 'de', '2026-05-05'), (3, 'at', '2026-01-01'), (4, 'fr', '2020-01-01');
     INSERT INTO lines SELECT * FROM sales;
     CREATE TRIGGER each_row BEFORE INSERT ON sales FOR EACH ROW EXECUTE FUNCTION nope(); ALTER TABLE sales_at DISABLE TRIGGER each_row`,
    `INSERT INTO regions VALUES ('xx'); INSERT INTO sales VALUES (9, 'xx', '2020-01-01'); INSERT INTO lines SELECT * FROM sales;
     CREATE TRIGGER each_row BEFORE INSERT ON sales FOR EACH ROW EXECUTE FUNCTION nope(); ALTER TABLE sales_at DISABLE TRIGGER each_row`,
  );
  await expectSame(
    places,
    'SELECT tableoid::regclass::text, * FROM sales ORDER BY id',
    'SELECT * FROM lines ORDER BY id',
  );
});

it('tables that inherit, are unlogged, have no columns or only generated ones, and quoted names', async () => {
  const places = await copied(
    `CREATE TABLE animals (id int, name text); CREATE TABLE dogs (bark text) INHERITS (animals);
     CREATE UNLOGGED TABLE cache (k text PRIMARY KEY); CREATE TABLE nothing (); CREATE TABLE always_two (two int GENERATED ALWAYS AS (2) STORED);
     CREATE TABLE "Weird ""table"".name" ("a.b" int, "SELECT" text, gone int, "ünï 😀" text); ALTER TABLE "Weird ""table"".name" DROP COLUMN gone;
     CREATE SEQUENCE alone START 5 INCREMENT 7; CREATE SEQUENCE "used up" MAXVALUE 3; CREATE SEQUENCE down INCREMENT -1;
     ALTER TABLE animals ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON animals USING (id < 2)`,
    `INSERT INTO animals VALUES (1, 'cat'), (2, ''); INSERT INTO dogs VALUES (3, NULL, 'woof'); INSERT INTO cache VALUES ('x');
     INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES; INSERT INTO always_two DEFAULT VALUES;
     INSERT INTO "Weird ""table"".name" VALUES (1, 'x', 'y'); SELECT nextval('alone'), nextval('"used up"'), nextval('"used up"'), nextval('"used up"');
     SELECT setval('down', -50, false)`,
  );
  await expectSame(
    places,
    'SELECT tableoid::regclass::text, * FROM animals ORDER BY id',
    'SELECT * FROM dogs',
    'SELECT * FROM cache',
    'SELECT count(*) FROM nothing',
    'SELECT * FROM always_two',
    'SELECT * FROM "Weird ""table"".name"',
    `SELECT last_value, is_called FROM alone UNION ALL SELECT last_value, is_called FROM "used up" UNION ALL SELECT last_value, is_called FROM down`,
  );
});

it('materialized views, each after those that it reads', async () => {
  const places = await copied(
    `CREATE TABLE t (n int); CREATE MATERIALIZED VIEW later AS SELECT 0::bigint AS n; CREATE VIEW between AS SELECT n FROM later;
     CREATE MATERIALIZED VIEW first AS SELECT count(*) AS n FROM t; CREATE OR REPLACE VIEW between AS SELECT n * 2 AS n FROM first;
     CREATE MATERIALIZED VIEW last AS SELECT n + 1 AS n FROM between; CREATE MATERIALIZED VIEW never AS SELECT 1 AS n WITH NO DATA;
     CREATE MATERIALIZED VIEW emptied AS SELECT 1 AS n`,
    'INSERT INTO t VALUES (1), (2); REFRESH MATERIALIZED VIEW first; REFRESH MATERIALIZED VIEW last; REFRESH MATERIALIZED VIEW emptied WITH NO DATA',
  );
  await expectSame(places, 'SELECT * FROM last', 'SELECT * FROM first');
  for (const view of ['never', 'emptied']) {
    await expect(places.target.rows(`SELECT * FROM ${view}`)).rejects.toThrow('has not been populated');
  }
});

it('keys to common, which stay in place', async () => {
  for (const server of [lab.one, lab.other]) {
    const place = await server.make('SCHEMA');
    await place.rows(
      `CREATE TABLE IF NOT EXISTS common.units (code text PRIMARY KEY); INSERT INTO common.units VALUES ('kg')`,
    );
  }
  const sql = 'CREATE TABLE goods (unit text REFERENCES common.units)';
  const source = await lab.one.make('SCHEMA', `${historySql}; ${sql}; INSERT INTO goods VALUES ('kg')`);
  const target = await lab.other.make('SCHEMA', `${historySql}; ${sql}`);
  // A key that is dropped and added needs this lock.
  await lab.other.server.owner('shared', async (reader) => {
    await reader.query('BEGIN; SELECT FROM common.units');
    await copyPlace({ from: source, to: target, parallel: 2, signal });
    await reader.query('COMMIT');
  });
  await expectSame({ source, target }, 'SELECT * FROM goods');
});

it('a tenant without rows, and a target with rows', async () => {
  const sql = 'CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); CREATE TABLE b (a int REFERENCES a)';
  const places = await copied(sql, '', 'INSERT INTO a DEFAULT VALUES; INSERT INTO b VALUES (1)');
  expect(await places.target.rows('SELECT FROM a')).toEqual([]);
  expect(await places.target.rows('SELECT FROM b')).toEqual([]);
  expect(await places.target.rows('INSERT INTO a DEFAULT VALUES RETURNING id')).toEqual([{ id: 1 }]);
});
