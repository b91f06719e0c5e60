import { p } from '@mikro-orm/core';
import type { EntitySchema } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthoringServer } from '../../support/authoring.ts';
import { entity } from '../../support/every-entity.ts';

let server: AuthoringServer;

beforeAll(async () => {
  server = await AuthoringServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** A product entity with one thing that a test changes. */
const products = (more: Record<string, unknown>, properties: Record<string, unknown> = {}): EntitySchema =>
  entity({
    name: 'Product',
    tableName: 'products',
    ...more,
    properties: {
      id: p.integer().primary(),
      a: p.integer(),
      b: p.integer(),
      c: p.integer(),
      code: p.text(),
      price: p.decimal().precision(10).scale(2),
      ...properties,
    },
  });

const check = (expression: string) => [products({ checks: [{ name: 'products_check', expression }] })];
const index = (where: string) => [products({ indexes: [{ name: 'products_a', properties: ['a'], where }] })];
const expression = (text: string) => [
  products({ indexes: [{ name: 'products_x', expression: `create index products_x on products (${text})` }] }),
];
const total = (text: string) => [
  products(
    {
      indexes: [{ name: 'products_total', properties: ['total'] }],
      checks: [{ name: 'products_total_check', expression: 'total <> 7' }],
    },
    { total: p.integer().generated(`(${text}) stored`) },
  ),
];
const defaulted = (text: string) => [products({}, { state: p.text().defaultRaw(text) })];
const defaultedNumber = (text: string) => [products({}, { rate: p.decimal().precision(8).scale(4).defaultRaw(text) })];
const typed = (type: string) => [products({}, { state: p.string().nullable().columnType(type) })];
const view = (text: string) => [
  products({}),
  entity({ name: 'Seen', tableName: 'seen', view: true, expression: text, properties: { id: p.integer().primary() } }),
];
const trigger = (body: string) => [
  products({ triggers: [{ name: 'touch', timing: 'before', events: ['insert'], body }] }),
];
const rule = (deleteRule: string) => {
  const one = entity({ name: 'One', tableName: 'ones', properties: { id: p.integer().primary() } });
  return [one, products({}, { one: () => p.manyToOne(one).ref().deleteRule(deleteRule).index() })];
};
const policy = (using: string) => [products({ policies: [{ name: 'read', using }] })];

/** What MikroORM takes for the same, and PostgreSQL does not. */
const changes: Readonly<Record<string, readonly [readonly EntitySchema[], readonly EntitySchema[]]>> = {
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
  'the text of a view': [
    view("SELECT id FROM products WHERE code = 'A'"),
    view("SELECT id FROM products WHERE code = 'a'"),
  ],
  'the columns of a view': [
    view('SELECT id FROM products WHERE a + b * c > 0'),
    view('SELECT id FROM products WHERE (a + b) * c > 0'),
  ],
  'the body of a trigger': [trigger("NEW.code := 'A'; RETURN NEW"), trigger("NEW.code := 'a'; RETURN NEW")],
  'the default of a number': [defaultedNumber('1.50'), defaultedNumber('1.51')],
  'a policy': [policy("code = 'A'"), policy("code = 'a'")],
  'a json type': [typed('json'), typed('jsonb')],
  'a time zone': [typed('timestamp(3)'), typed('timestamptz(3)')],
  'the length in an array': [typed('varchar(20)[]'), typed('varchar(10)[]')],
  'an exclusion constraint': [
    check('EXCLUDE USING gist (int4range(a, b) WITH &&)'),
    check('EXCLUDE USING gist (int4range(a, c) WITH &&)'),
  ],
};

describe.each(Object.entries(changes))('%s', (_, [before, after]) => {
  it('is found by migrate new, migrate check and drift, and taken back', async () => {
    await using product = await server.product();
    await product.write(before, 'create');
    await product.migrate();
    expect(await product.drift(before)).toEqual([]);

    expect(await product.drift(after)).not.toEqual([]);
    expect((await product.check(after)).map(({ kind }) => kind)).toContain('ENTITIES_DIFFER');
    const { remade } = await product.write(after);
    expect(remade).toEqual([expect.stringContaining('PostgreSQL must compare')]);
    await product.migrate();
    expect(await product.drift(after)).toEqual([]);
    expect(await product.check(after)).toEqual([]);
    await expect(product.write(after)).rejects.toThrow('nothing to write');
    await product.migrate(1);
    expect(await product.drift(before)).toEqual([]);
    await product.migrate();
    expect(await product.drift(after)).toEqual([]);
  }, 60_000);
});

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

it.each([
  [check('a > 0 AND b > 0'), check('(a > 0)   and (b > 0)')],
  [check('a BETWEEN 1 AND 5'), check('a >= 1 AND a <= 5')],
  [index("code IN ('x', 'y')"), index("code = ANY (ARRAY['x', 'y'])")],
  [defaulted("'x'"), defaulted("'x'::text")],
  [total('a + b'), total('(a) + (b)')],
  [view('SELECT id FROM products'), view('select products.id from products')],
])('finds nothing where only the words are others: %#', async (before, after) => {
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
  await product.write(check("twice(a) > 0 AND code <> 'X'"), 'create');
  await product.migrate();
  expect(await product.check(check("twice(a) > 0 AND code <> 'X'"))).toEqual([]);
  expect(await product.drift(check("twice(a) > 0 AND code <> 'X'"))).toEqual([]);
  expect(await product.drift(check("twice(a) > 0 AND code <> 'x'"))).toHaveLength(4);
});
