import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputType,
  GraphQLList,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  getNullableType,
  isInputObjectType,
  isIntrospectionType,
  isListType,
  isObjectType,
  isScalarType,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { defaultLimits, limitInputs, limitsOf } from '../../src/api/limits/input-limits.ts';
import { buildTestSchema } from '../support/product.ts';

/** A value that is larger than the argument may be, and what the error must say of it. */
interface Hostile {
  readonly field: string;
  readonly argument: string;
  readonly limit: number;
  readonly args: Record<string, unknown>;
}

const texts = ['String', 'ID'];

/** Every text and every list that the fields of a schema take, one at a time, each with a value that is too large by one. */
function hostileCalls(schema: GraphQLSchema): Hostile[] {
  const objects = Object.values(schema.getTypeMap()).filter(isObjectType);
  const fields = objects
    .filter((type) => !isIntrospectionType(type))
    .flatMap((type) => Object.values(type.getFields()).map((field) => ({ type, field })));
  return fields.flatMap(({ type, field }) =>
    field.args.flatMap((arg) =>
      hostileValues(arg.name, arg).map(({ value, ...rest }) => ({
        field: `${type.name}.${field.name}`,
        args: { [arg.name]: value },
        ...rest,
      })),
    ),
  );
}

interface HostileValue {
  readonly argument: string;
  readonly limit: number;
  readonly value: unknown;
}

/** @param around the types that the input is in; a filter can contain itself */
function hostileValues(
  argument: string,
  input: GraphQLArgument | GraphQLInputField,
  around: readonly GraphQLInputType[] = [],
): HostileValue[] {
  const { maxItems, maxLength } = limitsOf(input);
  const within = (type: GraphQLInputType, place: string): HostileValue[] => {
    const expected = getNullableType(type);
    if (isListType(expected)) {
      const items = within(expected.ofType, `${place}.0`).map((item) => ({ ...item, value: [item.value] }));
      return [{ argument: place, limit: maxItems, value: Array(maxItems + 1).fill(null) }, ...items];
    }
    if (isInputObjectType(expected)) {
      if (around.includes(expected)) return [];
      return Object.values(expected.getFields()).flatMap((field) =>
        hostileValues(`${place}.${field.name}`, field, [...around, expected]).map(({ value, ...rest }) => ({
          ...rest,
          value: { [field.name]: value },
        })),
      );
    }
    if (!isScalarType(expected) || !texts.includes(expected.name)) return [];
    return [{ argument: place, limit: maxLength, value: 'x'.repeat(maxLength + 1) }];
  };
  return within(input.type, argument);
}

/** A context that nothing may be asked of. */
const untouchable = new Proxy(
  {},
  {
    get: (_target, name) => {
      throw new Error(`The context was asked for ${String(name)} before the arguments were checked`);
    },
  },
);

/** Calls a field of the schema; nothing but its arguments may be looked at. */
function call(schema: GraphQLSchema, { field, args }: Pick<Hostile, 'field' | 'args'>): unknown {
  const [typeName = '', name = ''] = field.split('.');
  const type = schema.getType(typeName);
  const called = isObjectType(type) ? type.getFields()[name] : undefined;
  const run = called?.subscribe ?? called?.resolve;
  // What it is given is not looked at, if the limits hold.
  return run?.(untouchable, args, untouchable, untouchable as Parameters<typeof run>[3]);
}

describe('every text and list that the API takes', async () => {
  const schema = await buildTestSchema();
  const calls = hostileCalls(schema);

  it('is found by this test', () => {
    const found = calls.map(({ field, argument }) => `${field} ${argument}`);
    for (const known of [
      'Mutation.login input.email',
      'Mutation.placeOrder input.lines.0.product',
      'Query.roles after',
      'MigrationPlan.tenants after',
      'Subscription.migrationProgress run',
    ])
      expect(found).toContain(known);
    expect(calls.length).toBeGreaterThan(100);
  });

  it.each(calls)('is refused by $field where $argument exceeds $limit, before anything is done with it', (hostile) => {
    const { argument, limit } = hostile;
    expect(() => call(schema, hostile)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: expect.objectContaining({ argument, limit }) }),
    );
  });

  it('has a limit that is small', () => {
    const oversized = calls.filter(
      ({ argument, limit }) => limit > (/tenants$|canaries$/.test(argument) ? 10_000 : 2000),
    );
    expect(oversized).toEqual([]);
  });
});

it('an argument that declares no limit has one', () => {
  const schema = limitInputs(
    new GraphQLSchema({
      query: new GraphQLObjectType({
        name: 'Query',
        fields: {
          echo: {
            type: GraphQLString,
            args: { text: { type: GraphQLString }, list: { type: new GraphQLList(GraphQLString) } },
            resolve: () => 'called',
          },
        },
      }),
    }),
  );
  const echo = (args: Record<string, unknown>) => call(schema, { field: 'Query.echo', args });
  expect(echo({ text: 'x'.repeat(defaultLimits.text), list: Array(defaultLimits.items).fill('x') })).toBe('called');
  expect(() => echo({ text: 'x'.repeat(defaultLimits.text + 1) })).toThrow(
    'text has 2001 characters; the limit is 2000',
  );
  expect(() => echo({ list: Array(defaultLimits.items + 1).fill('x') })).toThrow(
    'list has 101 elements; the limit is 100',
  );
});
