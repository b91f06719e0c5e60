import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../../support/fleet.ts';
import { type MigrationDir, makeMigrationDir } from '../../support/migration-dir.ts';
import { commandsOf } from '../../support/run-command.ts';

let fleet: Fleet;
let common: MigrationDir;

const slugs = ['one-db', 'two-schema', 'three-schema'];

beforeAll(async () => {
  common = await makeMigrationDir({ empty: true });
  fleet = await Fleet.start({ COMMON_MIGRATIONS_DIR: common.path });
  await fleet.createTenants({ 'one-db': 'DATABASE', 'two-schema': 'SCHEMA', 'three-schema': 'SCHEMA' });
  await common.add('20270101000000_units', 'CREATE TABLE units (name text PRIMARY KEY)');
  await fleet.migrations.add(
    '20270101000000_tables',
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    'CREATE DOMAIN amount AS numeric(10, 2) CHECK (VALUE >= 0)',
    `CREATE TABLE "All Types" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mood mood DEFAULT 'good', price amount DEFAULT 1,
      code varchar(3) UNIQUE, short smallint DEFAULT 1, flag boolean DEFAULT true, day date DEFAULT now(), at timestamptz DEFAULT now(),
      facts jsonb DEFAULT '{}', tags text[] DEFAULT '{}', raw bytea DEFAULT '', range int4range, span interval,
      twice int GENERATED ALWAYS AS (2) STORED, filler text DEFAULT repeat('x', 100))`,
    'CREATE INDEX by_tags ON "All Types" USING gin (tags)',
    'CREATE INDEX by_expression ON "All Types" (lower(code), at)',
    'CREATE TABLE parts (id int, part int) PARTITION BY LIST (part)',
    'CREATE TABLE part_one PARTITION OF parts FOR VALUES IN (1)',
    'CREATE TABLE part_two PARTITION OF parts FOR VALUES IN (2)',
  );
  await fleet.run();
  await fleet.inTenant('one-db', 'INSERT INTO "All Types" (code) SELECT i::text FROM generate_series(1, 999) AS i');
  await fleet.inTenant('two-schema', 'INSERT INTO "All Types" (code) SELECT i::text FROM generate_series(1, 20) AS i');
  await fleet.inTenant('two-schema', 'INSERT INTO parts SELECT i, 1 + i % 2 FROM generate_series(1, 200000) AS i');
  await common.add('20270102000000_index', 'CREATE INDEX ON units (name)');
  await fleet.migrations.add(
    '20270102000000_dangers',
    `-- tenantry: allow require-concurrent-index-creation because it is small
    CREATE INDEX ON "All Types" (at, lower(code))`,
    'ALTER TABLE "All Types" DROP COLUMN raw',
    'ALTER TABLE parts ADD CHECK (id > 0)',
    'UPDATE "All Types" SET short = 2',
    'ALTER TABLE missing ADD UNIQUE (id)',
    'DROP INDEX by_tags',
  );
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await common[Symbol.asyncDispose]();
});

const fields = `migration table tenants unread rows ranges { min max tenants } warning { rule allowedBecause }
  largest { tenant { slug } rows bytes lockMs } lockMs`;

interface Answer {
  readonly migrationPlan: {
    readonly impact: readonly {
      readonly table: string;
      readonly warning: { readonly rule: string };
      readonly largest: readonly { readonly tenant: { readonly slug: string }; readonly lockMs: number | null }[];
    }[];
    readonly tenants: readonly unknown[];
  };
}

it('says how many rows each dangerous statement meets, also in tables of many types and partitions', async () => {
  const { migrationPlan } = await fleet.ask<Answer>(
    `{ migrationPlan(input: { impact: true }) { impact { ${fields} } } }`,
  );
  const found = migrationPlan.impact.map(({ warning, ...rest }) => ({ rule: warning.rule, ...rest }));
  expect(found).toMatchObject([
    // The schema common is in two databases.
    { rule: 'require-concurrent-index-creation', table: 'units', tenants: 2, unread: 0, rows: 0, lockMs: 0 },
    {
      rule: 'require-concurrent-index-creation',
      table: 'All Types',
      tenants: 3,
      unread: 0,
      rows: 1019,
      lockMs: expect.any(Number),
    },
    { rule: 'ban-drop-column', table: 'All Types', lockMs: null },
    {
      rule: 'constraint-missing-not-valid',
      table: 'parts',
      ranges: [
        { min: 0, max: 0, tenants: 2 },
        { min: 100_000, max: 999_999, tenants: 1 },
      ],
    },
    { rule: 'changing-rows', table: 'All Types', lockMs: expect.any(Number) },
    {
      rule: 'disallowed-unique-constraint',
      table: 'missing',
      tenants: 3,
      unread: 3,
      ranges: [],
      largest: [],
      lockMs: null,
    },
  ]);
  expect(migrationPlan.impact[1]).toMatchObject({ warning: { allowedBecause: 'it is small' } });
  const lines = migrationPlan.impact[1]?.largest.map(({ tenant }) => tenant.slug);
  expect(lines).toEqual(slugs);
  expect(migrationPlan.impact[3]?.largest[0]?.lockMs).toBeGreaterThan(1);
  // Scratch databases are dropped again.
  expect(await fleet.inCatalog("SELECT FROM pg_database WHERE datname LIKE '%check%'")).toEqual([]);
});

it('says it for each tenant, and nothing of that without impact: true', async () => {
  const query = (input: string) =>
    `{ migrationPlan(input: { ${input} }) { impact { table } tenants { tenant { slug } impact(first: 3) { rule table rows lockMs } } } }`;
  const { migrationPlan } = await fleet.ask<Answer>(query('tenants: ["two-schema"], impact: true'));
  expect(migrationPlan.tenants).toMatchObject([
    {
      tenant: { slug: 'two-schema' },
      impact: [
        { rule: 'require-concurrent-index-creation', table: 'units', rows: 0 },
        { rule: 'require-concurrent-index-creation', table: 'All Types', rows: 20 },
        { rule: 'ban-drop-column', table: 'All Types', rows: 20, lockMs: null },
      ],
    },
  ]);
  const without = await fleet.ask<Answer>(query('tenants: ["two-schema"]'));
  expect(without.migrationPlan).toMatchObject({ impact: null, tenants: [{ impact: null }] });
});

it('shows it on the terminal', async () => {
  const { exit, stdout } = await commandsOf(fleet.app)('migrate', 'plan', '--impact');
  expect(exit).toBe(0);
  expect(stdout).toMatch(
    /^Impact of constraint-missing-not-valid \(20270102000000_dangers, line \d+\) on parts: 2 tenants have no rows, 1 tenant has 100,000 to 999,999 rows\.\n {2}The lock lasts up to [\d.]+ m?s in two-schema \(estimated\)\.\nTENANT\tROWS\tSIZE\tLOCKED\ntwo-schema\t[\d,]+\t\d+ MB\tabout [\d.]+ m?s$/m,
  );
  expect(stdout).toMatch(
    /^Impact of disallowed-unique-constraint \(.*\) on missing:\n {2}3 tenants could not be read, or have no such table yet\.$/m,
  );
});

it('does not wait for a table that somebody has locked', async () => {
  const session = await fleet.sessionIn('one-db');
  await session.query('BEGIN; LOCK TABLE "All Types" IN ACCESS EXCLUSIVE MODE');
  const { stdout } = await commandsOf(fleet.app)('migrate', 'plan', '--impact', '--json');
  await fleet.end(session);
  const { impact } = JSON.parse(stdout);
  expect(impact[1]).toMatchObject({
    table: 'All Types',
    unread: 1,
    rows: 20,
    largest: [{ tenant: 'two-schema' }, { tenant: 'three-schema' }],
  });
});

it('measures one plan at a time', async () => {
  const query = '{ migrationPlan(input: { impact: true }) { impact { table } } }';
  const asked = () => fleet.http.ask(query, fleet.app.admin);
  const codes = (await Promise.all([asked(), asked()])).map(({ errors }) => errors?.[0]?.extensions.code);
  expect(codes.toSorted()).toEqual(['SERVER_BUSY', undefined]);
  expect((await asked()).errors).toBeUndefined();
});
