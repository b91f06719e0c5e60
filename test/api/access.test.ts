import { describe } from 'vitest';
import { type Operation, testDeclarations, testMatrix } from '../support/access-matrix.ts';
import { platformOperations } from '../support/platform-operations.ts';
import { buildTestSchema } from '../support/product.ts';

/** What the fixture adds. */
const fixtureOperations: Record<string, Operation> = {
  'Query.products': { text: '{ products { totalCount } }', scope: 'tenantMember' },
  'Mutation.createProduct': {
    text: 'mutation { createProduct(input: { sku: "$n", name: "a", price: "1.00", currency: "EUR" }) { sku } }',
    scope: 'tenantMember',
  },
  'Mutation.emptyShelves': { text: 'mutation { emptyShelves }', scope: 'tenantAdmin', permission: 'products:empty' },
};

describe('the fields of Query, Mutation and Subscription', async () => {
  const operations = { ...platformOperations, ...fixtureOperations };
  testDeclarations(await buildTestSchema(), operations);
  testMatrix(operations);
});
