import { describe } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';
import { type Operation, testDeclarations, testMatrix } from '../support/access-matrix.ts';
import { platformOperations } from '../support/platform-operations.ts';

/** What the fixture adds. */
const fixtureOperations: Record<string, Operation> = {
  'Query.products': { text: '{ products { totalCount } }', scope: 'tenantMember' },
  'Mutation.createProduct': {
    text: 'mutation { createProduct(input: { sku: "$n", name: "a", price: "1.00", currency: "EUR" }) { sku } }',
    scope: 'tenantMember',
  },
  'Mutation.emptyShelves': { text: 'mutation { emptyShelves }', scope: 'tenantAdmin', permission: 'products:empty' },
};

describe('the fields of Query, Mutation and Subscription', () => {
  const operations = { ...platformOperations, ...fixtureOperations };
  testDeclarations(buildSchema(), operations);
  testMatrix(operations);
});
