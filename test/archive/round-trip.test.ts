import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportTo, importFrom } from '../support/archives.ts';
import { insertSql, typesSql } from '../support/every-type.ts';
import { Fleet } from '../support/fleet.ts';
import { makeMigrationDir } from '../support/migration-dir.ts';

const isolations = ['DATABASE', 'SCHEMA'] as const;
const stack = new AsyncDisposableStack();
let here: Fleet;
let there: Fleet;
let folder: string;

const shapesSql = `
  CREATE TABLE measured (day date NOT NULL, place int NOT NULL, v text, PRIMARY KEY (day, place)) PARTITION BY RANGE (day);
  CREATE TABLE measured_old PARTITION OF measured FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
  CREATE TABLE measured_new PARTITION OF measured FOR VALUES FROM ('2026-01-01') TO (MAXVALUE) PARTITION BY HASH (place);
  CREATE TABLE measured_new_0 PARTITION OF measured_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE "measured new/1" PARTITION OF measured_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);
  CREATE TABLE one (id int PRIMARY KEY, other int);
  CREATE TABLE other (id int PRIMARY KEY, one int REFERENCES one);
  ALTER TABLE one ADD FOREIGN KEY (other) REFERENCES other DEFERRABLE;
  CREATE TABLE no_columns ();
  CREATE TABLE seeded (name text PRIMARY KEY);
  INSERT INTO seeded VALUES ('made by the migration');
  CREATE SEQUENCE alone START 7;
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
  CREATE TRIGGER refuses BEFORE INSERT ON tree FOR EACH ROW WHEN (new.id = 1) EXECUTE FUNCTION refuse();
  CREATE MATERIALIZED VIEW places AS SELECT place, count(*) AS n FROM measured GROUP BY place`;

const rowsSql = `
  ALTER TABLE tree DISABLE TRIGGER refuses;
  INSERT INTO measured SELECT date '2025-12-01' + n % 60, n, repeat('x', n % 300) FROM generate_series(1, 20000) n;
  INSERT INTO tree SELECT n, nullif(5000 - n, 0) FROM generate_series(1, 4999) n;
  INSERT INTO one VALUES (1, NULL); INSERT INTO other VALUES (2, 1); UPDATE one SET other = 2;
  INSERT INTO no_columns SELECT FROM generate_series(1, 3);
  DELETE FROM seeded; INSERT INTO seeded VALUES ('written later');
  SELECT nextval('alone'), nextval('alone');
  REFRESH MATERIALIZED VIEW places;
  ALTER TABLE tree ENABLE TRIGGER refuses`;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tenantry-archives-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const common = stack.use(await makeMigrationDir({ empty: true }));
  await common.add('20260101000000_citext', 'CREATE EXTENSION citext');
  const start = async () => stack.use(await Fleet.start({ COMMON_MIGRATIONS_DIR: common.path }));
  [here, there] = await Promise.all([start(), start()]);
  for (const fleet of [here, there]) {
    await fleet.migrations.add('20261122000000_types', typesSql);
    await fleet.migrations.add('20261123000000_shapes', shapesSql);
  }
  for (const isolation of isolations) {
    const slug = isolation.toLowerCase();
    await here.createTenants({ [slug]: isolation });
    await here.inTenant(slug, `${insertSql}; ${rowsSql}`);
    await exportTo(here, slug, path.join(folder, slug));
  }
  await there.migrations.add('20261124000000_newer', 'ALTER TABLE tree ADD COLUMN label text NOT NULL DEFAULT $$new$$');
});
afterAll(() => stack.disposeAsync());

/** All rows of a tenant as text, by table, and its sequences. */
async function contentOf(fleet: Fleet, slug: string) {
  const session = await fleet.sessionIn(slug);
  const { schema } = await fleet.tenant(slug);
  await session.query(`SET search_path = ${schema}, common`);
  const { rows: tables } = await session.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'm')
     AND relname <> 'migration_history' ORDER BY 1`,
    [schema],
  );
  const content: Record<string, unknown> = {};
  for (const { name } of tables) {
    const { rows } = await session.query(
      `SELECT count(*)::int AS n, md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE "C")) AS md5
       FROM ${session.escapeIdentifier(name)} t`,
    );
    content[name] = rows[0];
  }
  const { rows: sequences } = await session.query(
    `SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = $1
     AND sequencename <> 'migration_history_id_seq' ORDER BY 1`,
    [schema],
  );
  await fleet.end(session);
  return { ...content, sequences };
}

describe.each(isolations)('an archive of a tenant with a %s', (from) => {
  it.each(isolations)('becomes a tenant with a %s elsewhere, with every row, type and sequence', async (to) => {
    const [source, slug] = [from.toLowerCase(), `${from}-to-${to}`.toLowerCase()];
    const result = await importFrom(there, path.join(folder, source), slug, '--isolation', to.toLowerCase());
    expect(result).toMatchObject({ exit: 0, stderr: '' });
    expect(result.stdout).toMatch(/^Imported the tenant .*: [\d,]+ rows? of \d+ tables? and 0 files, exported from /);
    expect(await there.tenant(slug)).toMatchObject({ status: 'ACTIVE', isolation: to });
    // It was brought forward.
    expect(await there.inTenant(slug, 'SELECT DISTINCT label FROM tree')).toEqual([{ label: 'new' }]);
    expect(await there.versionOf(slug)).toEqual({ version: '20261124000000_newer', behind: 0 });
    await there.inTenant(slug, 'ALTER TABLE tree DROP COLUMN label');
    expect(await contentOf(there, slug)).toEqual(await contentOf(here, source));
    await there.inTenant(slug, 'ALTER TABLE tree ADD COLUMN label text NOT NULL DEFAULT $$new$$');
    // Its foreign keys and triggers are what its migrations have made.
    await expect(there.inTenant(slug, 'INSERT INTO tree VALUES (9999, 7777)')).rejects.toThrow(/tree_parent_fkey/);
    await expect(there.inTenant(slug, 'INSERT INTO tree VALUES (1, NULL)')).rejects.toThrow('no');
  });

  it('without any row becomes a tenant without any row, also where its migrations make some', async () => {
    const [source, slug] = [`empty-${from}`.toLowerCase(), `nothing-from-${from}`.toLowerCase()];
    await here.createTenants({ [source]: from });
    await here.inTenant(source, 'DELETE FROM seeded; REFRESH MATERIALIZED VIEW places');
    const exported = await exportTo(here, source, path.join(folder, source));
    expect(exported.stderr + exported.stdout).toMatch(/: 0 rows of \d+ tables and 0 files/);
    const result = await importFrom(there, path.join(folder, source), slug, '--isolation', from.toLowerCase());
    expect(result).toMatchObject({ exit: 0, stdout: expect.stringMatching(/: 0 rows of \d+ tables and 0 files/) });
    expect(await there.tenant(slug)).toMatchObject({ status: 'ACTIVE', isolation: from });
    expect(await there.versionOf(slug)).toEqual({ version: '20261124000000_newer', behind: 0 });
    await there.inTenant(slug, 'ALTER TABLE tree DROP COLUMN label');
    expect(await contentOf(there, slug)).toEqual(await contentOf(here, source));
  });
});
