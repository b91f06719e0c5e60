import { p } from '@mikro-orm/core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuthoringServer } from '../../support/authoring.ts';
import { entity } from '../../support/every-entity/entity.ts';

let server: AuthoringServer;

beforeAll(async () => {
  server = await AuthoringServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const things = (more: Record<string, unknown>, properties: Record<string, unknown> = {}) => [
  entity({
    name: 'Thing',
    tableName: 'things',
    ...more,
    properties: { id: p.integer().primary(), name: p.text(), ...properties },
  }),
];
const indexed = (...names: string[]) => things({ indexes: names.map((name) => ({ name, properties: ['name'] })) });
const x = (count: number) => 'x'.repeat(count);

it.each([
  ['an index of 70 letters', indexed(x(70)), [x(70), x(63)]],
  ['an index of 32 umlauts, 64 bytes', indexed('é'.repeat(32)), ['é'.repeat(32), `cut it to 63: ${'é'.repeat(31)}.`]],
  ['a check', things({ checks: [{ name: x(64), expression: 'id > 0' }] }), [x(64), x(63)]],
  ['a column', things({}, { [x(64)]: p.text() }), ['A column of things', x(64)]],
  [
    'a table',
    [entity({ name: 'T', tableName: x(64), properties: { id: p.integer().primary() } })],
    ['The table', x(63)],
  ],
  [
    'two indexes that are the same in 63 bytes',
    indexed(`${x(63)}_one`, `${x(63)}_two`),
    [`The name ${x(63)}_two would be cut to the same`, `The name ${x(63)}_one would be cut to the same`],
  ],
  ['an index that is cut to the name of another', indexed(`${x(63)}_one`, x(63)), [`The name ${x(63)} would be cut`]],
])('refuses %s with both forms', async (_, entities, shown) => {
  await using product = await server.product();
  const refusal: unknown = await product.write(entities).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT' });
  for (const part of shown) expect(String(refusal)).toContain(part);
  expect(await product.check(entities)).toContainEqual(expect.objectContaining({ kind: 'NAME_TOO_LONG' }));
});

it('takes names of 63 bytes', async () => {
  await using product = await server.product();
  const entities = indexed(x(63), `${'é'.repeat(31)}x`);
  await product.write(entities, 'create');
  await product.migrate();
  expect(await product.check(entities)).toEqual([]);
  expect(await product.drift(entities)).toEqual([]);
});

const orders = (...values: string[]) => [
  entity({
    name: 'Order',
    tableName: 'orders',
    properties: {
      id: p.integer().primary(),
      state: p.enum(values).nativeEnumName('order_state').default('NEW'),
      states: p.enum(values).nativeEnumName('order_state').array().nullable(),
    },
  }),
];

it('adds, removes and reorders values of an enum type, and takes it back', async () => {
  await using product = await server.product();
  const { text } = await product.write(orders('NEW', 'PAID'), 'create');
  expect(text).toMatch(/create type "order_state"/);
  expect(text).toMatch(/drop type "order_state"/);
  await product.migrate();
  await product.query("INSERT INTO orders (id, state, states) VALUES (1, 'PAID', '{NEW,PAID}')");
  for (const values of [
    ['NEW', 'SENT', 'PAID'],
    ['PAID', 'NEW'],
    ['NEW', 'PAID', 'VOID'],
    ['NEW', 'PAID'],
  ]) {
    const written = await product.write(orders(...values));
    expect(written.text).not.toMatch(/public\b|"\*"/);
    expect(written.text).toContain('down()');
    await product.migrate();
    expect(await product.drift(orders(...values))).toEqual([]);
    expect(await product.check(orders(...values))).toEqual([]);
    await product.migrate(1);
    await product.migrate();
    expect(await product.drift(orders(...values))).toEqual([]);
  }
  const rows = await product.query('INSERT INTO orders (id) VALUES (2); SELECT * FROM orders ORDER BY id');
  const [one, two] = ['{"id":1,"state":"PAID","states":"{NEW,PAID}"}', '{"id":2,"state":"NEW","states":null}'];
  expect(rows).toEqual([one, two, one, two]);
});

it('removes values of types whose names begin alike, also those with a line break', async () => {
  await using product = await server.product();
  const tickets = (...values: string[]) => [
    entity({
      name: 'Ticket',
      tableName: 'tickets',
      properties: {
        id: p.integer().primary(),
        state: p.enum(values).nativeEnumName('subscription_state'),
        severity: p.enum(values).nativeEnumName('subscription_severity'),
      },
    }),
  ];
  await product.write(tickets('NEW', 'PAID', 'A\nB'), 'create');
  await product.migrate();
  await product.write(tickets('NEW', 'PAID'));
  await product.migrate();
  expect(await product.drift(tickets('NEW', 'PAID'))).toEqual([]);
  await product.migrate(1);
  expect(await product.drift(tickets('NEW', 'PAID', 'A\nB'))).toEqual([]);
});

it('removes a value of a type that an index and a check name', async () => {
  await using product = await server.product();
  const named = (...values: string[]) => [
    entity({
      name: 'Order',
      tableName: 'orders',
      indexes: [{ name: 'orders_new', properties: ['id'], where: "state = 'NEW'" }],
      checks: [{ name: 'orders_paid', expression: "state <> 'PAID' OR id > 0" }],
      properties: { id: p.integer().primary(), state: p.enum(values).nativeEnumName('order_state') },
    }),
  ];
  await product.write(named('NEW', 'PAID', 'SENT'), 'create');
  await product.migrate();
  await product.write(named('NEW', 'PAID'));
  await product.migrate();
  expect(await product.drift(named('NEW', 'PAID'))).toEqual([]);
  await product.migrate(1);
  expect(await product.drift(named('NEW', 'PAID', 'SENT'))).toEqual([]);
});

it('says where rows keep it from removing a value', async () => {
  await using product = await server.product();
  await product.write(orders('NEW', 'PAID'), 'create');
  const { warnings } = await product.write(orders('NEW', 'SENT'));
  expect(warnings).toContain("It fails where orders.state is 'PAID', which its type no longer has.");
  expect(warnings).toContain("down() fails where orders.state is 'SENT', which its type did not have.");
});

it('writes an index whose expression names the table for both isolations', async () => {
  await using product = await server.product();
  const entities = things({
    indexes: [
      {
        name: 'things_lower',
        expression: (columns: Record<string, string>, table: object, name: string) =>
          `create index "${name}" on ${table} (lower(${columns.name}))`,
      },
    ],
  });
  const { text } = await product.write(entities, 'create');
  expect(text).toMatch(/create index "things_lower" on "?things"? \(lower\("?name"?\)\)/);
  await product.migrate();
  expect(await product.check(entities)).toEqual([]);
  expect(await product.drift(entities)).toEqual([]);
});

it('proposes an index for a foreign key that has none', async () => {
  await using product = await server.product();
  const one = entity({ name: 'One', tableName: 'ones', properties: { id: p.integer().primary() } });
  const keys = (index: string | false) =>
    things({}, { one: () => (index ? p.manyToOne(one).ref().index(index) : p.manyToOne(one).ref().index(false)) });
  const { warnings, text } = await product.write([one, ...keys(false)], 'create');
  expect(warnings).toEqual([
    "No index begins with things (one_id), so deleting a row of ones reads all of things. Declare one, as with .index('things_one_id_idx') on the relation.",
  ]);
  expect(text).toContain(`// TODO: ${warnings[0]}`);
  expect((await product.write([one, ...keys('things_one_id_idx')])).warnings).toEqual([]);
});

it('says where the index of a join table is declared', async () => {
  await using product = await server.product();
  const one = entity({
    name: 'One',
    tableName: 'ones',
    properties: { id: p.integer().primary(), others: () => p.manyToMany(one).owner() },
  });
  const { warnings } = await product.write([one], 'create');
  expect(warnings).toEqual([
    expect.stringMatching(
      /^No index begins with ones_others \(.*, which a many-to-many relation has in a pivotEntity\.$/,
    ),
  ]);
});

it('writes no empty down()', async () => {
  await using product = await server.product();
  const partitioned = (partitions: number) => [
    entity({
      name: 'Log',
      tableName: 'logs',
      partitionBy: { type: 'hash', expression: 'id', partitions },
      properties: { id: p.integer().primary() },
    }),
  ];
  await product.write(partitioned(2), 'create');
  const { text } = await product.write(partitioned(3));
  expect(text).not.toMatch(/down\(\): void \{\s*\}/);
});
