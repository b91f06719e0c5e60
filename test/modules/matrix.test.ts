import { describe, expect, it } from 'vitest';
import { type Operation, testDeclarations, testMatrix } from '../support/access-matrix.ts';
import { platformOperations } from '../support/platform-operations.ts';
import { buildTestSchema } from '../support/product.ts';
import { startTestApp } from '../support/start-app.ts';
import { ofModules } from './of-modules.ts';

const nowhere = '00000000-0000-4000-8000-000000000000';

/** A mutation of roles, which asks for a role that is not there. */
const ofRoles = (text: string): Operation => ({
  text: `mutation { ${text} }`,
  scope: 'tenantAdmin',
  permission: 'roles:write',
  code: 'NOT_FOUND',
});

/** What the modules add. */
const operations: Record<string, Operation> = {
  'Query.permissions': { text: '{ permissions { name } }', scope: 'tenantMember' },
  'Query.roles': { text: '{ roles { totalCount } }', scope: 'tenantMember' },
  'Query.memberProfiles': { text: '{ memberProfiles(users: []) { user } }', scope: 'tenantMember' },
  'Mutation.updateProfile': {
    text: 'mutation { updateProfile(input: { displayName: "x" }) { displayName } }',
    scope: 'tenantMember',
    // They have no membership, which a profile belongs to.
    codes: {
      'a token that is believed to be a member’s': 'FORBIDDEN',
      'a token that is believed to be an owner’s': 'FORBIDDEN',
      'a platform admin in a tenant': 'FORBIDDEN',
    },
  },
  'Mutation.createRole': {
    text: 'mutation { createRole(input: { name: "role-$n", permissions: [] }) { name } }',
    scope: 'tenantAdmin',
    permission: 'roles:write',
  },
  'Mutation.updateRole': ofRoles(`updateRole(role: "${nowhere}", input: {}) { name }`),
  'Mutation.deleteRole': ofRoles(`deleteRole(role: "${nowhere}")`),
  'Mutation.assignRole': ofRoles(`assignRole(role: "${nowhere}", user: "${nowhere}") { user }`),
  'Mutation.unassignRole': ofRoles(`unassignRole(role: "${nowhere}", user: "${nowhere}")`),
  'Query.products': { text: '{ products { totalCount } }', scope: 'tenantMember' },
  'Query.orders': { text: '{ orders { totalCount } }', scope: 'tenantMember' },
  'Query.product': { text: `{ product(id: "${nowhere}") { name } }`, scope: 'tenantMember' },
  'Query.order': { text: `{ order(id: "${nowhere}") { total } }`, scope: 'tenantMember' },
  'Mutation.updateProduct': {
    text: `mutation { updateProduct(id: "${nowhere}", input: { stock: 1 }) { name } }`,
    scope: 'tenantAdmin',
    permission: 'products:write',
    code: 'NOT_FOUND',
  },
  'Mutation.deleteProduct': {
    text: `mutation { deleteProduct(id: "${nowhere}") }`,
    scope: 'tenantAdmin',
    permission: 'products:write',
  },
  'Mutation.createProduct': {
    text: 'mutation { createProduct(input: { sku: "$n", name: "a", price: "1.00", currency: "EUR" }) { sku } }',
    scope: 'tenantAdmin',
    permission: 'products:write',
  },
  'Mutation.placeOrder': {
    text: 'mutation { placeOrder(input: { lines: [] }) { id } }',
    scope: 'tenantMember',
    permission: 'orders:write',
    code: 'BAD_USER_INPUT',
  },
};

/** What modules add that are tested in folders of their own. */
const others = await ofModules<Operation>('operations.ts');

describe('the fields of Query, Mutation and Subscription, with those of the modules', async () => {
  testDeclarations(await buildTestSchema(), { ...platformOperations, ...operations, ...others });
  testMatrix(operations);
});

it('permissions that fields need are all in every tenant, so that roles can have them', async () => {
  await using app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
  await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
  const { data } = await app.ask('{ viewer { permissions } }', { ...app.admin, 'x-tenant': 'acme' });
  const needed = Object.values({ ...operations, ...others }).flatMap(({ permission }) => permission ?? []);
  expect(data?.viewer).toEqual({ permissions: [...new Set(needed)].sort() });
});
