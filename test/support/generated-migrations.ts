import fc from 'fast-check';

/** A migration that the property test writes. */
export interface GeneratedMigration {
  /** What its `up()` adds, in order. */
  readonly statements: readonly string[];
  /** Whether it is not transactional. */
  readonly alone: boolean;
}

/** A list of migrations, and what a comparison has to know of it. */
export interface GeneratedList {
  readonly migrations: readonly GeneratedMigration[];
  /** Whether psql of a version before 18 cannot split its statements. */
  readonly needsNewPsql: boolean;
}

/** What the migrations before have made, so that later ones can use it. */
class Model {
  /** Tables with the columns `id int PRIMARY KEY, label text`. */
  readonly tables: string[] = [];
  /** Enums, each with a table of that name whose column is `state`. */
  readonly enums: { readonly name: string; readonly labels: string[] }[] = [];
  /** Names of temporary tables that the files before have made. */
  readonly temporary: string[] = [];
  readonly deferred: string[] = [];
  needsNewPsql = false;
  #count = 0;

  next(prefix: string): string {
    this.#count += 1;
    return `${prefix}_${this.#count}`;
  }
}

/** Writes some statements; `choice` chooses between forms. */
type Part = (model: Model, choice: number) => readonly string[];

const table: Part = (model, choice) => {
  const name = model.next('t');
  model.tables.push(name);
  return [`CREATE TABLE ${name} (id int PRIMARY KEY, label text)`, `INSERT INTO ${name} VALUES (${choice}, 'a;b')`];
};

const newEnum: Part = (model, choice) => {
  const name = model.next('e');
  model.enums.push({ name, labels: ['open'] });
  const type = `CREATE TYPE ${name}_state AS ENUM ('open')`;
  const make = `CREATE TABLE ${name} (state ${name}_state DEFAULT 'open')`;
  return choice % 2 === 0 ? [type, make] : [`${type}; ${make}`];
};

const enumValue: Part = (model, choice) => {
  const found = pick(model.enums, choice);
  if (!found) return newEnum(model, choice);
  const label = model.next('v');
  found.labels.push(label);
  const place = choice % 3 === 0 ? ` BEFORE '${found.labels[0]}'` : '';
  return [`ALTER TYPE ${found.name}_state ADD VALUE ${choice % 4 === 0 ? 'IF NOT EXISTS ' : ''}'${label}'${place}`];
};

const enumUse: Part = (model, choice) => {
  const found = pick(model.enums, choice);
  if (!found) return newEnum(model, choice);
  const label = found.labels.at(-1);
  const uses = [
    `INSERT INTO ${found.name} VALUES ('${label}')`,
    `ALTER TABLE ${found.name} ALTER COLUMN state SET DEFAULT '${label}'`,
    `UPDATE ${found.name} SET state = '${label}' WHERE state = 'open'`,
    `DO $$ BEGIN INSERT INTO ${found.name} VALUES ('${label}'); END $$`,
  ];
  return [pick(uses, choice) ?? ''];
};

const deferredKey: Part = (model, choice) => {
  const found = pick(model.deferred, choice);
  if (found && choice % 2 === 0) return [`ALTER TABLE ${found} ADD COLUMN ${model.next('c')} text`];
  if (found && choice % 3 === 0)
    return [`SET CONSTRAINTS ALL DEFERRED`, `INSERT INTO ${found} VALUES (${choice + 10}, 1)`];
  const name = model.next('n');
  model.deferred.push(name);
  return [
    `CREATE TABLE ${name} (id int PRIMARY KEY, parent int REFERENCES ${name} DEFERRABLE INITIALLY DEFERRED)`,
    `INSERT INTO ${name} VALUES (2, 1), (1, NULL)`,
  ];
};

/** A row whose key is missing: refused, unless an earlier file has turned off keys for it too. */
const missingKey: Part = (model, choice) => {
  const found = pick(model.deferred, choice);
  return found ? [`INSERT INTO ${found} VALUES (${choice + 1000}, 999)`] : table(model, choice);
};

const settings = [
  `SET statement_timeout = '1s'`,
  'SET session_replication_role = replica',
  `SET TIME ZONE 'Asia/Kolkata'`,
  `SET DateStyle = 'German'`,
  'SET IntervalStyle = sql_standard',
  'SET check_function_bodies = off',
  'SET row_security = off',
  'SET standard_conforming_strings = on',
  'SET lock_timeout = 250',
  'SET bytea_output = escape',
  'SET default_transaction_read_only = on',
  'SET transaction_timeout = 0',
  'SET client_min_messages = warning',
  'SET extra_float_digits = 0',
  `SELECT set_config('statement_timeout', '1s', false)`,
  `DO $$ BEGIN PERFORM set_config('DateStyle', 'SQL, DMY', false); END $$`,
];

const setting: Part = (_, choice) => [pick(settings, choice) ?? ''];

/** Settings after which the file itself can do nothing more; they come last in it. */
const lastSettings = [
  `SELECT pg_catalog.set_config('search_path', '', false)`,
  'SET LOCAL ROLE pg_monitor',
  'SET ROLE pg_monitor',
  'SET SESSION AUTHORIZATION pg_monitor',
  'SET search_path = pg_catalog',
];

/** What a setting of an earlier file would change. */
const dependsOnSettings: Part = (model, choice) => {
  const name = model.next('s');
  const forms = [
    `CREATE TABLE ${name} AS SELECT timestamptz '2027-01-01 00:00' AS at`,
    `CREATE TABLE ${name} AS SELECT date '03/02/2027' AS at`,
    `CREATE TABLE ${name} AS SELECT (timestamptz '2027-01-01 00:00')::text AS at`,
    `CREATE TABLE ${name} AS SELECT (interval '1 day 2 hours')::text AS at, '\\x61'::bytea::text AS b, (0.1::float8 + 0.2)::text AS f`,
    `CREATE TABLE ${name} (id int); SELECT pg_sleep(1.2)`,
    `CREATE TABLE ${name} AS SELECT current_setting('statement_timeout') AS a, current_user = session_user AS b, current_setting('TimeZone') AS c`,
    `CREATE TABLE ${name} (at timestamptz DEFAULT '2027-01-01 00:00', d date DEFAULT '03/02/2027')`,
  ];
  return [pick(forms, choice) ?? ''];
};

const temporary: Part = (model, choice) => {
  const known = pick(model.temporary, choice);
  if (known && choice % 2 === 0) {
    model.temporary.splice(model.temporary.indexOf(known), 1);
    return [`CREATE TABLE ${known} (id int)`, `INSERT INTO ${known} VALUES (7)`];
  }
  const name = model.next('pick');
  model.temporary.push(name);
  const end = choice % 3 === 0 ? '' : choice % 3 === 1 ? ' ON COMMIT DROP' : ' ON COMMIT DELETE ROWS';
  return [`CREATE TEMP TABLE ${name}${end} AS SELECT 1 AS id`];
};

const session: Part = (model, choice) => {
  const name = model.next('x');
  const forms: (readonly string[])[] = [
    ['PREPARE again AS SELECT 1'],
    ['DECLARE again CURSOR WITH HOLD FOR SELECT 1'],
    ['SELECT pg_try_advisory_lock(hashtext(current_schema()), 4711)'],
    ['LISTEN something'],
    [`CREATE SEQUENCE ${name}`, `SELECT nextval('${name}')`],
    [
      `CREATE TABLE ${name} AS SELECT count(*) AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objid = 4711`,
    ],
    [`CREATE TABLE ${name} AS SELECT count(*) AS n FROM pg_prepared_statements WHERE name = 'again'`],
  ];
  return pick(forms, choice) ?? [];
};

const functions: Part = (model, choice) => {
  const name = model.next('f');
  const forms = [
    `CREATE FUNCTION ${name}(begin int) RETURNS int LANGUAGE sql RETURN begin`,
    `CREATE FUNCTION ${name}(begin int, "end" int) RETURNS int LANGUAGE sql AS $$ SELECT begin; /* ; $b$ */ SELECT 'it''s; ' || 1; SELECT 2 $$`,
    `CREATE FUNCTION ${name}() RETURNS int LANGUAGE plpgsql AS $Body$ BEGIN EXECUTE $body$ SELECT 1; SELECT 2 $body$; RETURN 1; END $Body$`,
    `CREATE FUNCTION ${name}() RETURNS text LANGUAGE sql AS E'SELECT \\'a;b\\'::text -- \\\\'`,
    `CREATE FUNCTION "${name};"() RETURNS text LANGUAGE sql AS 'SELECT ''--''::text; SELECT ''/*''::text'`,
    `CREATE FUNCTION ${name}(a int DEFAULT 1, b text DEFAULT 'x;''y') RETURNS TABLE (begin int) LANGUAGE sql STABLE AS $1$SELECT 1$1$`.replaceAll(
      '$1$',
      '$f1$',
    ),
    `CREATE PROCEDURE ${name}() LANGUAGE plpgsql AS $_$ DECLARE begin int := 1; BEGIN PERFORM begin; END $_$`,
    `CREATE FUNCTION ${name}() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS end; SELECT 2; END`,
    `CREATE FUNCTION ${name}(t int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN t > 0 THEN 1 END AS case; END`,
  ];
  const chosen = pick(forms, choice) ?? '';
  if (chosen.includes('ATOMIC')) model.needsNewPsql = true;
  const more = pick(['', '-- the end; $$', '/* a /* nested; */ comment */', '; SELECT 1;;'], choice >> 4) ?? '';
  return [`${chosen}${more.startsWith(';') ? '' : '\n'}${more}`];
};

const blocks: Part = (model, choice) => {
  const name = model.next('b');
  const forms = [
    `DO $$ BEGIN CREATE TABLE ${name} (begin int, "end" int); INSERT INTO ${name} VALUES (1, 2); END $$`,
    `DO $Outer$ BEGIN EXECUTE $outer$ CREATE TABLE ${name} (id int); INSERT INTO ${name} VALUES (3) $outer$; END $Outer$`,
    `DO LANGUAGE plpgsql 'BEGIN CREATE TABLE ${name} (a text DEFAULT '';''); END'`,
    `CREATE TABLE ${name} (a text DEFAULT U&'d\\0061t;\\+000061', "b;c" text DEFAULT E'\\';')`,
    `/* ; */ CREATE TABLE ${name} (a text) -- ; commit;\n; -- nothing`,
    `CREATE TABLE ${name} (a text); COMMENT ON TABLE ${name} IS 'commit; $$ begin'`,
    `SELECT $Doc$ run $doc$ a; commit; b $doc$ $Doc$; CREATE TABLE ${name} (begin int)`,
    `CREATE VIEW ${name} AS SELECT 1 AS begin, CASE WHEN true THEN 2 END AS "end"`,
    `CREATE DOMAIN ${name} AS text CHECK (value <> ';')`,
  ];
  return [pick(forms, choice) ?? ''];
};

const index: Part = (model, choice) => {
  const found = pick(model.tables, choice);
  if (!found) return table(model, choice);
  return [`CREATE INDEX "${model.next('índex')}" ON ${found} (lower(label))`];
};

/** What must be refused: nothing of it is in any tenant, whichever way. */
const refused: Part = (model, choice) => {
  const name = model.next('leak');
  const forms = [
    `CREATE TABLE ${name} (id int); COMMIT; SELECT 1`,
    `CREATE FUNCTION ${name}(begin int) RETURNS int LANGUAGE sql RETURN begin; CREATE TABLE ${name} (id int); COMMIT; SELECT 1`,
    `CREATE TABEL ${name} (id int)`,
    `SELECT 1 +`,
    `INSERT INTO ${name} VALUES (1`,
    `SELECT 'open`,
    'ROLLBACK',
    `DO $$ BEGIN CREATE TABLE ${name} (id int); COMMIT; END $$`,
    `CREATE TABLE ${name} (id int) /* open`,
  ];
  return [`CREATE TABLE ${name}_before (id int)`, pick(forms, choice) ?? ''];
};

const concurrentIndex: Part = (model, choice) => {
  const found = pick(model.tables, choice);
  if (!found) return [];
  const name = model.next('i');
  const forms = [
    `CREATE INDEX CONCURRENTLY ${name} ON ${found} (label)`,
    `CREATE INDEX CONCURRENTLY ON ${found} (label)`,
    `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "${name} Ü" ON ${found} (id, label)`,
    `CREATE FUNCTION ${name}_f(begin timestamptz) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; CREATE INDEX CONCURRENTLY ${name} ON ${found} (label)`,
    `/* first */ create index concurrently ${name} on ${found} using btree (label) where id > 0`,
  ];
  return [pick(forms, choice) ?? ''];
};

const usual: readonly Part[] = [
  table,
  newEnum,
  enumValue,
  enumValue,
  enumUse,
  enumUse,
  deferredKey,
  deferredKey,
  setting,
  setting,
  dependsOnSettings,
  dependsOnSettings,
  temporary,
  temporary,
  session,
  functions,
  blocks,
  index,
];

interface FileChoice {
  readonly parts: readonly (readonly [number, number])[];
  readonly last: number;
  readonly kind: number;
}

const number = fc.nat({ max: 1 << 16 });
const fileChoice: fc.Arbitrary<FileChoice> = fc.record({
  parts: fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 4 }),
  last: fc.nat({ max: 30 }),
  kind: fc.nat({ max: 60 }),
});

/** Lists of one to five migrations that build on each other. */
export const generatedList: fc.Arbitrary<GeneratedList> = fc
  .array(fileChoice, { minLength: 1, maxLength: 5 })
  .map((choices) => {
    const model = new Model();
    // What a list that fails leaves behind is compared only where one transaction holds it.
    const failing = choices.some(({ kind }) => kind < 4);
    const migrations = choices.map((choice): GeneratedMigration => {
      if (choice.kind > 52 && !failing) {
        const statements = choice.parts.flatMap(([, form]) => concurrentIndex(model, form));
        if (statements.length > 0) return { statements, alone: true };
      }
      const statements = choice.parts.flatMap(([part, form]) => (pick(usual, part) ?? table)(model, form));
      if (choice.kind === 0) statements.push(...missingKey(model, choice.last));
      else if (choice.kind < 4) statements.push(...refused(model, choice.last));
      else if (choice.last < lastSettings.length) statements.push(lastSettings[choice.last] ?? '');
      return { statements, alone: false };
    });
    return { migrations, needsNewPsql: model.needsNewPsql };
  });

function pick<T>(from: readonly T[], choice: number): T | undefined {
  return from[choice % from.length];
}
