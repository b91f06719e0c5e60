import SchemaBuilder from '@pothos/core';
import {
  type GraphQLSchema,
  getIntrospectionQuery,
  getNullableType,
  isInterfaceType,
  isListType,
  isObjectType,
  parse,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { MAX_CELLS } from '../../../src/fleet/overview/cells.ts';
import '../../../src/api/limits/list-sizes.ts';
import { costOf } from '../../../src/api/plugins/use-cost-limit.ts';
import { buildTestSchema } from '../../support/product.ts';

/** A small world with an interface, a union, and lists of every kind. */
function buildWorld(): GraphQLSchema {
  const builder = new SchemaBuilder<object>({ plugins: ['listSizes'], scopeAuth: { authScopes: () => ({}) } });
  const Thing = builder.interfaceRef<object>('Thing').implement({
    fields: (t) => ({ parts: t.stringList({ maxItems: 50, resolve: () => [] }) }),
  });
  const Small = builder.objectRef<object>('Small').implement({
    interfaces: [Thing],
    fields: (t) => ({ name: t.string({ resolve: () => '' }), dear: t.string({ cost: 40, resolve: () => '' }) }),
  });
  const Large = builder.objectRef<object>('Large').implement({
    interfaces: [Thing],
    fields: (t) => ({
      parts: t.stringList({ maxItems: 500, resolve: () => [] }),
      smalls: t.field({
        type: [Small],
        maxItems: 10,
        args: { first: t.arg.int({ defaultValue: 5 }) },
        resolve: () => [],
      }),
      byIds: t.field({
        type: [Small],
        maxItems: ({ ids }) => Math.min(ids.length, 7),
        args: { ids: t.arg.idList({ required: true }) },
        resolve: () => [],
      }),
    }),
  });
  const Either = builder.unionType('Either', { types: [Small, Large], resolveType: () => 'Small' });
  builder.queryType({
    fields: (t) => ({
      large: t.field({ type: Large, resolve: () => ({}) }),
      things: t.field({ type: [Thing], maxItems: 3, resolve: () => [] }),
      eithers: t.field({ type: [Either], maxItems: 3, resolve: () => [] }),
    }),
  });
  return builder.toSchema();
}

describe('what an operation costs', () => {
  const schema = buildWorld();
  const cost = (query: string, variableValues: Record<string, unknown> = {}) =>
    costOf({ schema, document: parse(query), variableValues });

  it.each<[string, string, Record<string, unknown>, number]>([
    ['fields', '{ large { __typename } }', {}, 2],
    ['a field that says what it costs', '{ large { smalls(first: 1) { dear } } }', {}, 2 + 40],
    ['the default page', '{ large { smalls { name } } }', {}, 2 + 5],
    ['a page', '{ large { smalls(first: 2) { name } } }', {}, 2 + 2],
    ['a page beyond the largest', '{ large { smalls(first: 2000000000) { name } } }', {}, 2 + 10],
    ['a page below the smallest', '{ large { smalls(first: -5) { name } } }', {}, 2 + 1],
    ['no page', '{ large { smalls(first: null) { name } } }', {}, 2 + 10],
    ['a variable', 'query ($n: Int) { large { smalls(first: $n) { name } } }', { n: 8 }, 2 + 8],
    ['a variable that is not sent', 'query ($n: Int) { large { smalls(first: $n) { name } } }', {}, 2 + 5],
    ['a variable’s default', 'query ($n: Int = 9) { large { smalls(first: $n) { name } } }', {}, 2 + 9],
    ['ids', '{ large { byIds(ids: ["a", "b"]) { name } } }', {}, 2 + 2],
    [
      'ids in a variable',
      'query ($ids: [ID!]!) { large { byIds(ids: $ids) { name } } }',
      { ids: ['a', 'b', 'c'] },
      2 + 3,
    ],
    [
      'more ids than may be',
      'query ($ids: [ID!]!) { large { byIds(ids: $ids) { name } } }',
      { ids: Array(99).fill('a') },
      2 + 7,
    ],
    ['aliases', '{ a: large { x: __typename y: __typename } b: large { __typename } }', {}, 3 + 2],
    [
      'a fragment that is spread again',
      '{ a: large { ...S } b: large { ...S } } fragment S on Large { smalls(first: 3) { name } }',
      {},
      2 * (2 + 3),
    ],
    [
      'an inline fragment',
      '{ large { ... { smalls(first: 3) { name } } ... on Large { __typename } } }',
      {},
      2 + 3 + 1,
    ],
    [
      'what is skipped',
      '{ large { smalls @skip(if: true) { name } ...S @include(if: false) __typename } } fragment S on Large { parts }',
      {},
      2,
    ],
    [
      'what a variable skips',
      'query ($no: Boolean!) { large { smalls @skip(if: $no) { name } __typename } }',
      { no: true },
      2,
    ],
    [
      'what a variable does not skip',
      'query ($no: Boolean!) { large { smalls @skip(if: $no) { name } __typename } }',
      { no: false },
      3 + 5,
    ],
    ['a field of an interface, as its largest type has it', '{ things { parts } }', {}, 1 + 3 * (1 + 500 / 25)],
    [
      'members of a union',
      '{ eithers { ... on Small { name } ... on Large { smalls { name } } __typename } }',
      {},
      1 + 3 * (1 + (1 + 5) + 1),
    ],
    ['variables that cannot be', 'query ($n: Int!) { large { smalls(first: $n) { name } } }', { n: 'x' }, 0],
  ])('counts %s', (_name, query, variables, expected) => {
    expect(cost(query, variables).cost).toBe(expected);
  });

  it('is reported with the lists that make up most of it', () => {
    expect(cost('{ things { __typename } large { __typename smalls(first: 9) { name } } }').heaviest).toEqual([
      'large',
      'smalls',
    ]);
    expect(cost('{ large { __typename } }').heaviest).toEqual([]);
  });

  it('counts fragments that hold each other manyfold as fast as it reads them', () => {
    const fragments = Array.from(
      { length: 40 },
      (_, index) => `fragment F${index} on Query { ...F${index + 1} ...F${index + 1} large { __typename } }`,
    );
    const start = performance.now();
    expect(cost(`{ ...F0 } ${fragments.join(' ')} fragment F40 on Query { __typename }`).cost).toBeGreaterThan(2 ** 40);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('refuses names that would be repeated for every item', () => {
    expect(() => cost(`{ large { ${'a'.repeat(101)}: __typename } }`)).toThrow(
      /alias has 101 characters; the limit is 100/,
    );
    expect(cost(`{ large { ${'a'.repeat(100)}: __typename } }`).cost).toBe(2);
  });

  it('counts the time that hashing a password takes', async () => {
    const schema = await buildTestSchema();
    const change = 'changePassword(input: { currentPassword: "x", newPassword: "y" })';
    const aliases = (count: number) => Array.from({ length: count }, (_, index) => `a${index}: ${change}`).join(' ');
    const ask = (count: number) => costOf({ schema, document: parse(`mutation { ${aliases(count)} }`) }).cost;
    expect(ask(1)).toBeLessThan(2_000);
    expect(ask(30)).toBeGreaterThan(20_000);
  });

  it('includes the conditions of filters and the columns of orders, in variables too', async () => {
    const schema = await buildTestSchema();
    const ask = (args: string, variableValues = {}) => {
      const query = `query ($filter: ProductFilter) { products(first: 10${args}) { totalCount } }`;
      return costOf({ schema, document: parse(query), variableValues }).cost;
    };
    const plain = ask('');
    expect(ask(', orderBy: [{ name: ASC }, { sku: DESC }]')).toBe(plain + 2);
    expect(ask(', filter: { name: { contains: "a", ne: "b" }, or: [{ sku: { in: ["c", "d"] } }, {}] }')).toBe(
      plain + 3,
    );
    const filter = { and: Array(40).fill({ not: { name: { eq: 'a' } } }) };
    expect(ask(', filter: $filter', { filter })).toBe(plain + 40);
  });

  it('is small for a tool that asks for the whole schema, and not for one that asks again and again', async () => {
    const schema = await buildTestSchema();
    const whole = getIntrospectionQuery();
    const ask = (query: string) => costOf({ schema, document: parse(query) }).cost;
    expect(ask(whole)).toBeLessThan(10_000);
    const again = Array.from(
      { length: 30 },
      (_, index) => `a${index}: __schema { types { fields { args { type { fields { name } } } } } }`,
    );
    expect(ask(`{ ${again.join(' ')} }`)).toBeGreaterThan(20_000);
  });
});

describe('the lists of the schema', () => {
  it('have pages, or say how many items they can have', async () => {
    const types = Object.values((await buildTestSchema()).getTypeMap()).filter(({ name }) => !name.startsWith('__'));
    const fields = types
      .filter((type) => isObjectType(type) || isInterfaceType(type))
      .flatMap((type) =>
        Object.values(type.getFields()).map((field) => ({ name: `${type.name}.${field.name}`, field })),
      )
      .filter(({ field }) => isListType(getNullableType(field.type)));
    expect(fields.length).toBeGreaterThan(20);
    const unlimited = fields.filter(({ name, field: { extensions } }) => {
      const { maxItems } = extensions;
      // Each of its items is small and has no resolver.
      const most = name.startsWith('FleetCells.') ? MAX_CELLS : 1000;
      return typeof maxItems !== 'function' && !(typeof maxItems === 'number' && maxItems <= most);
    });
    expect(unlimited.map(({ name }) => name)).toEqual([]);
  });

  it('are refused without, when the schema is built', () => {
    const builder = new SchemaBuilder<object>({ plugins: ['listSizes'], scopeAuth: { authScopes: () => ({}) } });
    builder.queryType({ fields: (t) => ({ all: t.stringList({ resolve: () => [] }) }) });
    expect(() => builder.toSchema()).toThrow(/Query\.all is a list without a limit/);
  });
});
