import type { GraphQLSchema } from 'graphql';
import type { Product } from '../../src/installation/product.ts';
import { buildSchema } from '../../src/server/build-schema.ts';

const isModules = process.env.TEST_PRODUCT === 'modules';

/** The product that tests run with: in `test/modules` that of `src/modules`, everywhere else the fixture; see `vitest.config.ts`. */
export const { product }: { readonly product: Product } = isModules
  ? await import('../../src/modules/index.ts')
  : await import('../fixture/product.ts');

/** The programs of that product, for processes that tests start; relative to a checkout. */
export const programs = isModules
  ? { main: 'src/main.ts', cli: 'src/cli.ts' }
  : { main: 'test/fixture/main.ts', cli: 'test/fixture/cli.ts' };

/** Builds the GraphQL schema, with what the test has added to the builder. */
export function buildTestSchema(): Promise<GraphQLSchema> {
  return buildSchema(product);
}
