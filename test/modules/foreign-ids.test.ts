import { expect, it } from 'vitest';
import { type IdCase, idArguments, type Prepare, testForeignIds } from '../support/foreign-ids.ts';
import { platformIds } from '../support/platform-ids.ts';
import { buildTestSchema } from '../support/product.ts';
import { ofModules } from './of-modules.ts';

/** What the modules add. */
const cases: Record<string, IdCase> = {
  'Query.memberProfiles(users)': {
    text: '{ memberProfiles(users: ["$id"]) { displayName roles { name } } }',
    of: ['user'],
    code: undefined,
  },
  'Mutation.updateRole(role)': {
    text: 'mutation { updateRole(role: "$id", input: { permissions: [] }) { name } }',
    of: ['role'],
    code: 'NOT_FOUND',
  },
  'Mutation.deleteRole(role)': { text: 'mutation { deleteRole(role: "$id") }', of: ['role'], code: 'NOT_FOUND' },
  'Mutation.assignRole(role)': {
    text: 'mutation { assignRole(role: "$id", user: "00000000-0000-4000-8000-000000000000") { user } }',
    of: ['role'],
    code: 'NOT_FOUND',
  },
  'Mutation.assignRole(user)': {
    text: 'mutation { assignRole(role: "$own", user: "$id") { user } }',
    of: ['user'],
    code: 'NOT_FOUND',
  },
  'Mutation.unassignRole(role)': {
    text: 'mutation { unassignRole(role: "$id", user: "00000000-0000-4000-8000-000000000000") }',
    of: ['role'],
    code: 'NOT_FOUND',
  },
  'Mutation.unassignRole(user)': {
    text: 'mutation { unassignRole(role: "$own", user: "$id") }',
    of: ['user'],
    code: undefined,
  },
  'Query.product(id)': { text: '{ product(id: "$id") { name } }', of: ['product'], code: undefined },
  'Query.order(id)': { text: '{ order(id: "$id") { total } }', of: ['product'], code: undefined },
  'Mutation.updateProduct(id)': {
    text: 'mutation { updateProduct(id: "$id", input: { stock: 0 }) { name } }',
    of: ['product'],
    code: 'NOT_FOUND',
  },
  'Mutation.deleteProduct(id)': { text: 'mutation { deleteProduct(id: "$id") }', of: ['product'], code: undefined },
  'Mutation.placeOrder(input.lines.product)': {
    text: 'mutation { placeOrder(input: { lines: [{ product: "$id", quantity: 1 }] }) { id } }',
    of: ['product'],
    code: 'NOT_FOUND',
  },
};

it('arguments that take an id are all in the table of this test', async () => {
  const others = await ofModules<IdCase>('id-cases.ts');
  expect(Object.keys({ ...platformIds, ...cases, ...others })).toEqual(
    expect.arrayContaining(idArguments(await buildTestSchema())),
  );
});

const prepare: Prepare = async (app, other, caller) => {
  const make = async (text: string, headers: Record<string, string>) => {
    const { data, errors } = await app.ask(`mutation { made: ${text} { id } }`, headers);
    expect(errors).toBeUndefined();
    // What this mutation asks for.
    const { id } = (data?.made ?? {}) as { id: string };
    return id;
  };
  const createRole = 'createRole(input: { name: "clerks", permissions: ["orders:write"] })';
  const createProduct = 'createProduct(input: { sku: "a", name: "a", price: "1.00", currency: "EUR", stock: 9 })';
  return {
    role: await make(createRole, other.headers),
    product: await make(createProduct, other.headers),
    own: await make(createRole, caller.headers),
  };
};

testForeignIds(cases, prepare);
