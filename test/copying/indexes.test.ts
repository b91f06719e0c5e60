import { afterAll, beforeAll, expect, it } from 'vitest';
import { copyPlace } from '../../src/copying/copy-place.ts';
import { CopyLab, historySql, type LabPlace } from '../support/copy-lab.ts';

let lab: CopyLab;
beforeAll(async () => {
  lab = await CopyLab.start();
});
afterAll(() => lab[Symbol.asyncDispose]());

const signal = new AbortController().signal;

/** Everything that can be told of the indexes of a place. */
const indexesSql = `
  SELECT i.relname AS name, pg_get_indexdef(i.oid) AS definition, i.reloptions, indisunique, indisvalid, indisclustered,
    indisreplident, indnullsnotdistinct, indimmediate, obj_description(i.oid, 'pg_class') AS comment,
    contype, condeferrable, condeferred, pg_get_constraintdef(c.oid) AS constraint,
    obj_description(c.oid, 'pg_constraint') AS "constraintComment",
    ARRAY (SELECT attstattarget::int FROM pg_attribute WHERE attrelid = i.oid ORDER BY attnum) AS statistics
  FROM pg_index JOIN pg_class i ON i.oid = indexrelid LEFT JOIN pg_constraint c ON conindid = i.oid AND conrelid = indrelid
  WHERE i.relnamespace = current_schema::regnamespace ORDER BY 1`;

const oidsOf = async (place: LabPlace): Promise<Map<string, string>> => {
  const rows = await place.rows<{ name: string; oid: string }>(
    `SELECT relname AS name, oid::text FROM pg_class WHERE relkind IN ('i', 'I') AND relnamespace = current_schema::regnamespace`,
  );
  return new Map(rows.map(({ name, oid }) => [name, oid]));
};

const tables = `
  CREATE TABLE things (id int PRIMARY KEY, a int NOT NULL, b text, c int UNIQUE, d int NOT NULL, "e e" int, period int4range, f int);
  CREATE INDEX "plain, with a name" ON things (b DESC NULLS LAST, a) INCLUDE (c) WITH (fillfactor = 70);
  COMMENT ON INDEX "plain, with a name" IS 'it''s plain';
  CREATE UNIQUE INDEX "unique" ON things ("e e") NULLS NOT DISTINCT;
  CREATE INDEX pattern ON things (b text_pattern_ops);
  CREATE INDEX hashed ON things USING hash (a);
  ALTER TABLE things ADD CONSTRAINT later UNIQUE (a, d) DEFERRABLE INITIALLY DEFERRED;
  COMMENT ON CONSTRAINT later ON things IS 'checked later';
  COMMENT ON INDEX later IS 'the index of it';
  ALTER TABLE things ADD CONSTRAINT apart EXCLUDE USING gist (period WITH &&) DEFERRABLE;
  ALTER TABLE things ADD CONSTRAINT filled UNIQUE (f) WITH (fillfactor = 60);
  CREATE INDEX partial ON things (a) WHERE b IS NOT NULL;
  CREATE INDEX expression ON things (lower(b), (a + 1));
  ALTER INDEX expression ALTER COLUMN 2 SET STATISTICS 77;
  CREATE INDEX clustered ON things (d);
  ALTER TABLE things CLUSTER ON clustered;
  CREATE UNIQUE INDEX identity ON things (d, id);
  ALTER TABLE things REPLICA IDENTITY USING INDEX identity;
  CREATE TABLE parts (thing int REFERENCES things (c), n int);
  CREATE INDEX parts_n ON parts (n);
  CREATE TABLE logs (at int, n int, PRIMARY KEY (at)) PARTITION BY RANGE (at);
  CREATE TABLE logs_one PARTITION OF logs FOR VALUES FROM (0) TO (100000);
  CREATE INDEX logs_n ON logs (n);`;
const rows = `
  INSERT INTO things SELECT n, n, repeat('x', 40) || n, n, n, n, int4range(n, n + 1), n FROM generate_series(1, 20000) n;
  INSERT INTO parts SELECT n, n FROM generate_series(1, 100) n;
  INSERT INTO logs SELECT n, n FROM generate_series(1, 40000) n`;

it('builds the indexes of large tables after their rows are there, as they were', async () => {
  const source = await lab.one.make('SCHEMA', `${historySql}; ${tables}; ${rows}`);
  const target = await lab.other.make('DATABASE', `${historySql}; ${tables}`);
  const [before, oids] = [await target.rows(indexesSql), await oidsOf(target)];
  await copyPlace({ from: source, to: target, parallel: 3, signal });
  expect(await target.rows(indexesSql)).toEqual(before);
  const after = await oidsOf(target);
  const built = [...after].flatMap(([name, oid]) => (oids.get(name) === oid ? [] : [name]));
  const simple = ['hashed', 'later', 'pattern', 'plain, with a name', 'things_c_key', 'unique', 'apart'];
  expect(built.toSorted()).toEqual(simple.toSorted());
  expect(await target.rows('SELECT count(*)::int AS n FROM things')).toEqual([{ n: 20_000 }]);
  // They are used, and refuse what they refused.
  await expect(target.rows('INSERT INTO parts VALUES (20001, 1)')).rejects.toThrow('parts_thing_fkey');
  await expect(target.rows('UPDATE things SET "e e" = 1 WHERE id = 2')).rejects.toThrow('"unique"');
});
