import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';
import { makeMemoryFolder } from './test/support/memory-folder.ts';

const fixture = path.resolve('test/fixture');

// For the workers and what they start: the cache of bin/tenantry. With it Node need not load its TypeScript compiler.
process.env.NODE_COMPILE_CACHE ??= path.resolve('node_modules/.cache/tenantry');

process.env.TMPDIR = makeMemoryFolder() ?? tmpdir();

const unitTests = 'test/**/*.unit.test.ts';
const moduleTests = 'test/modules/**/*.test.ts';
/** Tests that change modules which all files of a worker share, such as the builder, or that must load them first. */
const isolatedTests = 'test/**/*.isolated.test.ts';
/** Shared by all tests that start PostgreSQL. */
const onPostgres = { globalSetup: ['test/support/empty-cluster.ts'] };

/** Tests of the platform, with the fixture's migrations. `test/support/product.ts` selects the product. */
const platform = {
  extends: true,
  test: {
    ...onPostgres,
    env: {
      TENANT_MIGRATIONS_DIR: path.join(fixture, 'migrations'),
      // The fixture has no migrations of common, so there is no such folder.
      COMMON_MIGRATIONS_DIR: path.join(fixture, 'common'),
    },
  },
} satisfies TestProjectInlineConfiguration;

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // With more workers than cores, tests with time limits fail now and then. More than four may run out of memory.
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    sequence: { sequencer: LongestFirst },
    setupFiles: ['test/support/patience.ts'],
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
