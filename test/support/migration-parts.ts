/** What the migrations before have made, so that later ones can use it. */
export class Model {
  /** Tables with the columns `id int PRIMARY KEY, label text`. */
  readonly tables: string[] = [];
  /** Enums, each with a table of that name whose column is `state`. */
  readonly enums: { readonly name: string; readonly labels: string[] }[] = [];
  /** Names of temporary tables that the files before have made. */
  readonly temporary: string[] = [];
  readonly deferred: string[] = [];
  /** Tables with a column `id int`, whose trigger changes the session. */
  readonly triggered: string[] = [];
  #count = 0;

  next(prefix: string): string {
    this.#count += 1;
    return `${prefix}_${this.#count}`;
  }
}

/** Writes some statements; `choice` chooses between forms. */
export type Part = (model: Model, choice: number) => readonly string[];

/** A table with a row. */
export const table: Part = (model, choice) => {
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
  const found = pick(model.deferred, choice >> 2);
  const [child, parent] = [choice + 20, choice + 21];
  if (!found) return newDeferredKey(model, choice);
  const forms: (readonly string[])[] = [
    [`ALTER TABLE ${found} ADD COLUMN ${model.next('c')} text`],
    [`SET CONSTRAINTS ALL DEFERRED`, `INSERT INTO ${found} VALUES (${choice + 10}, 1)`],
    // Fails where the key is checked at once, unless an earlier SET CONSTRAINTS is still in force.
    [`INSERT INTO ${found} VALUES (${child}, ${parent})`, `INSERT INTO ${found} VALUES (${parent}, NULL)`],
  ];
  return forms[choice % 4] ?? newDeferredKey(model, choice);
};

const newDeferredKey: Part = (model, choice) => {
  const name = model.next('n');
  model.deferred.push(name);
  const key = `CREATE TABLE ${name} (id int PRIMARY KEY, parent int REFERENCES ${name} DEFERRABLE INITIALLY`;
  const [child, parent] = [`INSERT INTO ${name} VALUES (2, 1)`, `INSERT INTO ${name} VALUES (1, NULL)`];
  // In two statements, so that the key must be deferred in between.
  return (choice >> 2) % 2 === 0 ? [`${key} IMMEDIATE)`, parent, child] : [`${key} DEFERRED)`, child, parent];
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
    `CREATE TABLE ${name} AS SELECT (ARRAY[1, 2, 3])[1:schema] AS a FROM (SELECT 2 AS schema) s`,
    `CREATE VIEW ${name} AS SELECT 1 AS begin, CASE WHEN true THEN 2 END AS "end"`,
    `CREATE DOMAIN ${name} AS text CHECK (value <> ';')`,
  ];
  return [pick(forms, choice) ?? ''];
};

/** Savepoints, of which some stay open at the end of the file. Later files use the same names, or expect none. */
const savepoints: Part = (model, choice) => {
  const name = model.next('p');
  const make = `CREATE TABLE ${name} (id int)`;
  const forms: (readonly string[])[] = [
    ['SAVEPOINT a', make, 'ROLLBACK TO SAVEPOINT a', make],
    ['SAVEPOINT a', make],
    [make, 'SAVEPOINT b', `INSERT INTO ${name} VALUES (1)`, 'SAVEPOINT b', 'RELEASE b', 'ROLLBACK TO b'],
    [`SAVEPOINT a; ${make}; RELEASE SAVEPOINT a`],
    // Fails, unless an earlier file's savepoint is still there.
    [make, 'ROLLBACK TO SAVEPOINT a'],
    ['RELEASE SAVEPOINT a', make],
  ];
  return pick(forms, choice) ?? [];
};

/** A trigger that changes the session, and a row that fires it, in this file or a later one. */
const triggers: Part = (model, choice) => {
  const found = pick(model.triggered, choice);
  if (found && choice % 2 === 0) return [`INSERT INTO ${found} VALUES (${choice})`];
  const name = model.next('g');
  model.triggered.push(name);
  const effects = [
    `PERFORM set_config('DateStyle', 'German', false)`,
    `PERFORM set_config('TimeZone', 'Asia/Kolkata', false)`,
    `PERFORM set_config('session_replication_role', 'replica', false)`,
    `PERFORM pg_advisory_lock(hashtext(current_schema()), 4711)`,
    `CREATE TEMP TABLE IF NOT EXISTS ${name}_temp (id int)`,
  ];
  const body = `BEGIN ${pick(effects, choice >> 2)}; RETURN NEW; END`;
  return [
    `CREATE TABLE ${name} (id int)`,
    `CREATE FUNCTION ${name}_f() RETURNS trigger LANGUAGE plpgsql AS $$ ${body} $$`,
    `CREATE TRIGGER ${name}_t BEFORE INSERT ON ${name} FOR EACH ROW EXECUTE FUNCTION ${name}_f()`,
    ...(choice % 3 === 0 ? [`INSERT INTO ${name} VALUES (1)`] : []),
  ];
};

/** Objects that PostgreSQL describes in other ways than plain tables. */
const otherObjects: Part = (model, choice) => {
  const name = model.next('o');
  const forms: (readonly string[])[] = [
    [
      `CREATE TABLE ${name} (id int, n int UNIQUE DEFERRABLE INITIALLY DEFERRED)`,
      `INSERT INTO ${name} VALUES (1, 1), (2, 2)`,
      `UPDATE ${name} SET n = 3 - n`,
    ],
    [
      `CREATE TABLE ${name} (id int, during int4range, EXCLUDE USING gist (during WITH &&) DEFERRABLE INITIALLY DEFERRED)`,
      `INSERT INTO ${name} VALUES (1, '[1,3)'), (2, '[3,5)')`,
    ],
    [
      `CREATE TABLE ${name} (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (id)`,
      `CREATE TABLE ${name}_low PARTITION OF ${name} FOR VALUES FROM (0) TO (10)`,
      `CREATE INDEX ON ${name} (at)`,
      `INSERT INTO ${name} VALUES (5, '2027-02-03')`,
    ],
    [
      `CREATE TABLE ${name} (id int GENERATED ALWAYS AS IDENTITY, n serial, twice int GENERATED ALWAYS AS (id * 2) STORED)`,
      `INSERT INTO ${name} DEFAULT VALUES`,
    ],
    [`CREATE MATERIALIZED VIEW ${name} AS SELECT date '03/02/2027' AS at`, `REFRESH MATERIALIZED VIEW ${name}`],
    [
      `CREATE TYPE ${name}_range AS RANGE (SUBTYPE = int4)`,
      `CREATE TABLE ${name} (r ${name}_range DEFAULT ${name}_range(1, 2))`,
    ],
    [
      `CREATE TABLE ${name} (id int)`,
      `CREATE RULE ${name}_r AS ON UPDATE TO ${name} DO INSTEAD NOTHING`,
      `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`,
      `CREATE POLICY ${name}_p ON ${name} USING (id > 0)`,
    ],
  ];
  return pick(forms, choice) ?? [];
};

const index: Part = (model, choice) => {
  const found = pick(model.tables, choice);
  if (!found) return table(model, choice);
  return [`CREATE INDEX "${model.next('índex')}" ON ${found} (lower(label))`];
};

/** The parts of which most migrations consist. Those that find most are in it twice. */
export const usual: readonly Part[] = [
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
  savepoints,
  triggers,
  triggers,
  otherObjects,
  otherObjects,
];

/** Picks one form. */
export function pick<T>(from: readonly T[], choice: number): T | undefined {
  return from[choice % from.length];
}
