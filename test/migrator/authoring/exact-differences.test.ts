import { p } from '@mikro-orm/core';
import type { EntitySchema } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { entityTables } from '../../../src/migrator/diff/entity-tables.ts';
import { historyTable } from '../../../src/migrator/files/history.ts';
import { AuthoringServer } from '../../support/authoring.ts';
import { entity } from '../../support/every-entity/entity.ts';

let server: AuthoringServer;

beforeAll(async () => {
  server = await AuthoringServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Entities with one thing that a test changes, in a table of this name. */
type Entities = (table: string) => EntitySchema[];

/** A product entity with that thing. */
const products =
  (more: (table: string) => Record<string, unknown>, properties: Record<string, unknown> = {}): Entities =>
  (table) => [
    entity({
      name: table,
      tableName: table,
      ...more(table),
      properties: {
        id: p.integer().primary(),
        a: p.integer(),
        b: p.integer(),
        c: p.integer(),
        code: p.text(),
        price: p.decimal().precision(10).scale(2),
        ...properties,
      },
    }),
  ];

const check = (expression: string) => products((table) => ({ checks: [{ name: `${table}_check`, expression }] }));
const index = (where: string) => products((table) => ({ indexes: [{ name: `${table}_a`, properties: ['a'], where }] }));
const expression = (text: string) =>
  products((table) => ({
    indexes: [{ name: `${table}_x`, expression: `create index ${table}_x on ${table} (${text})` }],
  }));
const total = (text: string) =>
  products(
    (table) => ({
      indexes: [{ name: `${table}_total`, properties: ['total'] }],
      checks: [{ name: `${table}_total_check`, expression: 'total <> 7' }],
    }),
    { total: p.integer().generated(`(${text}) stored`) },
  );
const defaulted = (text: string) => products(() => ({}), { state: p.text().defaultRaw(text) });
const defaultedNumber = (text: string) =>
  products(() => ({}), { rate: p.decimal().precision(8).scale(4).defaultRaw(text) });
const typed = (type: string) => products(() => ({}), { state: p.string().nullable().columnType(type) });
const view =
  (columns: string, where = ''): Entities =>
  (table) => [
    ...products(() => ({}))(table),
    entity({
      name: `${table}_seen`,
      tableName: `${table}_seen`,
      view: true,
      expression: `${columns} ${table} ${where}`,
      properties: { id: p.integer().primary() },
    }),
  ];
const trigger = (body: string) =>
  products(() => ({ triggers: [{ name: 'touch', timing: 'before', events: ['insert'], body }] }));
const rule = (deleteRule: string) => {
  const one = entity({ name: 'One', tableName: 'ones', properties: { id: p.integer().primary() } });
  const parent = () => p.manyToOne(one).ref().deleteRule(deleteRule).index();
  return [one, ...products(() => ({}), { one: parent })('products')];
};
const policy = (using: string) => products(() => ({ policies: [{ name: 'read', using }] }));

/** What MikroORM takes for the same, and PostgreSQL does not. */
const changes: Readonly<Record<string, readonly [Entities, Entities]>> = {
  'the case of a pattern in a check': [check("code ~ '^[A-Z]{3}$'"), check("code ~ '^[a-z]{3}$'")],
  'a decimal number in a check': [check('price >= 0.5'), check('price >= 1.5')],
  'repeated digits in a check': [check('a < 1111'), check('a < 1111111')],
  'parentheses in a check': [check('a + b * c > 0'), check('(a + b) * c > 0')],
  'the predicate of an index': [index("code = 'Open'"), index("code = 'open'")],
  'the number in a predicate': [index('price > 0.5'), index('price > 1.5')],
  'the expression of an index': [expression('lower(code)'), expression('upper(code)')],
  'the order in an index': [expression('code'), expression('code desc')],
  'an operator class': [expression('code'), expression('code text_pattern_ops')],
  'the expression of a generated column': [total('a + b * c'), total('(a + b) * c')],
  'the case of a default': [defaulted("'Draft'"), defaulted("'draft'")],
  'the text of a view': [view('SELECT id FROM', "WHERE code = 'A'"), view('SELECT id FROM', "WHERE code = 'a'")],
  'the columns of a view': [
    view('SELECT id FROM', 'WHERE a + b * c > 0'),
    view('SELECT id FROM', 'WHERE (a + b) * c > 0'),
  ],
  'the body of a trigger': [trigger("NEW.code := 'A'; RETURN NEW"), trigger("NEW.code := 'a'; RETURN NEW")],
  'the default of a number': [defaultedNumber('1.50'), defaultedNumber('1.51')],
  'a policy': [policy("code = 'A'"), policy("code = 'a'")],
  'a json type': [typed('json'), typed('jsonb')],
  'a time zone': [typed('timestamp(3)'), typed('timestamptz(3)')],
  'an exclusion constraint': [
    check('EXCLUDE USING gist (int4range(a, b) WITH &&)'),
    check('EXCLUDE USING gist (int4range(a, c) WITH &&)'),
  ],
};

it.each(Object.entries(changes))('%s may be a matter of words, so PostgreSQL must compare', async (_, sides) => {
  const [before, after] = sides.map((entities) =>
    entityTables(entities('products'), { ignored: [historyTable], compare: 'all' }),
  );
  expect(await after?.changesSince(before?.snapshot() ?? expect.unreachable())).toMatchObject({ changesTexts: true });
});

it('all this is found by migrate new, migrate check and drift, and taken back', async () => {
  const tables = Object.keys(changes).map((what) => what.replaceAll(' ', '_').toLowerCase());
  const [before, after] = [0, 1].map((side) =>
    Object.values(changes).flatMap((sides, index) => sides[side]?.(tables[index] ?? '') ?? []),
  );
  if (!before || !after) throw new Error('There are no entities');
  /** Tables that no statement names. */
  const missing = (statements: readonly string[]) =>
    tables.filter((table) => !statements.some((sql) => sql.includes(table)));

  // One product for all, as each costs seconds.
  await using product = await server.product();
  await product.write(before, 'create');
  await product.migrate();
  expect(await product.drift(before)).toEqual([]);

  const sql = await product.drift(after);
  const isOfSchema = (statement: string) => statement.includes('"tenant_0123456789"');
  expect(missing(sql.filter(isOfSchema))).toEqual([]);
  expect(missing(sql.filter((statement) => !isOfSchema(statement)))).toEqual([]);
  const findings = (await product.check(after)).filter(({ kind }) => kind === 'ENTITIES_DIFFER');
  expect(missing(findings.flatMap((finding) => finding.sql ?? []))).toEqual([]);
  const { remade, text } = await product.write(after);
  expect(remade).toEqual([expect.stringContaining('PostgreSQL must compare')]);
  expect(missing([text])).toEqual([]);
  await product.migrate();
  expect(await product.drift(after)).toEqual([]);
  expect(await product.check(after)).toEqual([]);
  await expect(product.write(after)).rejects.toThrow('nothing to write');
  await product.migrate(1);
  expect(await product.drift(before)).toEqual([]);
  await product.migrate();
  expect(await product.drift(after)).toEqual([]);
}, 120_000);

it('finds a key that is to be restricted', async () => {
  await using product = await server.product();
  await product.write(rule('no action'), 'create');
  await product.migrate();
  expect(await product.drift(rule('no action'))).toEqual([]);
  expect(await product.drift(rule('restrict'))).toHaveLength(4);
  await product.write(rule('restrict'));
  await product.migrate();
  expect(await product.drift(rule('restrict'))).toEqual([]);
  await expect(product.write(rule('restrict'))).rejects.toThrow('nothing to write');
  await product.migrate(1);
  expect(await product.drift(rule('no action'))).toEqual([]);
});

/** The same in other words. */
const sameWords: readonly (readonly [Entities, Entities])[] = [
  [check('a > 0 AND b > 0'), check('(a > 0)   and (b > 0)')],
  [check('a BETWEEN 1 AND 5'), check('a >= 1 AND a <= 5')],
  [index("code IN ('x', 'y')"), index("code = ANY (ARRAY['x', 'y'])")],
  [defaulted("'x'"), defaulted("'x'::text")],
  [total('a + b'), total('(a) + (b)')],
  [view('SELECT id FROM'), (table) => view(`select ${table}.id from`)(table)],
];

it('finds nothing where only the words are others', async () => {
  const before = sameWords.flatMap(([entities], index) => entities(`words_${index}`));
  const after = sameWords.flatMap(([, entities], index) => entities(`words_${index}`));
  await using product = await server.product();
  await product.write(before, 'create');
  await product.migrate();
  expect(await product.drift(after)).toEqual([]);
  await expect(product.write(after)).rejects.toThrow('nothing to write');
  expect(await product.check(after)).toEqual([]);
});

it('finds differences of objects that a function of a migration is needed for', async () => {
  await using product = await server.product();
  await product.migrations.addReversible(
    '20270101000000_function',
    'CREATE FUNCTION twice(int) RETURNS int IMMUTABLE RETURN 2 * $1',
    'DROP FUNCTION twice',
  );
  await product.write(check("twice(a) > 0 AND code <> 'X'")('products'), 'create');
  await product.migrate();
  expect(await product.check(check("twice(a) > 0 AND code <> 'X'")('products'))).toEqual([]);
  expect(await product.drift(check("twice(a) > 0 AND code <> 'X'")('products'))).toEqual([]);
  expect(await product.drift(check("twice(a) > 0 AND code <> 'x'")('products'))).toHaveLength(4);
});
