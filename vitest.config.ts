import path from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const fixture = path.resolve('test/fixture');

const unitTests = 'test/**/*.unit.test.ts';
const moduleTests = 'test/modules/**/*.test.ts';
/** Tests that add fields to the schema's builder, which all files of a worker share. */
const isolatedTests = 'test/**/*.isolated.test.ts';
/** Shared by all tests that start PostgreSQL. */
const onPostgres = { globalSetup: ['test/support/empty-cluster.ts'] };

/** Tests of the platform, with the fixture's migrations. `test/support/product.ts` selects the product. */
const platform = {
  extends: true,
  test: { ...onPostgres, env: { TENANT_MIGRATIONS_DIR: path.join(fixture, 'migrations') } },
} satisfies TestProjectInlineConfiguration;

export default defineConfig({
  // Vite would use the package's `module` and Node its `main`. With two copies, errors get other HTTP statuses than in the server.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    setupFiles: ['test/support/compile-cache.ts', 'test/support/patience.ts'],
    // Loading the server takes two seconds of CPU time, so the files of a worker share it.
    isolate: false,
    // Node loads the code itself, as it does for users.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    projects: [
      { extends: true, test: { name: 'unit', include: [unitTests] } },
      {
        ...platform,
        test: {
          ...platform.test,
          name: 'platform',
          include: ['test/**/*.test.ts'],
          exclude: [unitTests, moduleTests, isolatedTests],
        },
      },
      { ...platform, test: { ...platform.test, name: 'isolated', include: [isolatedTests], isolate: true } },
      {
        extends: true,
        test: {
          ...onPostgres,
          name: 'modules',
          include: [moduleTests],
          exclude: [unitTests],
          env: { TEST_PRODUCT: 'modules' },
        },
      },
    ],
  },
});
