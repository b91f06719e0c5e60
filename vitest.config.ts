import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const fixture = path.resolve('test/fixture');

const unitTests = 'test/**/*.unit.test.ts';
const moduleTests = 'test/modules/**/*.test.ts';
/** They add fields to the API's builder, which all files in a process share. */
const builderTests = globSync('test/**/*.test.ts').filter((file) =>
  /from '[^']*\/builder\.ts'/.test(readFileSync(file, 'utf8')),
);

/** What tests that start PostgreSQL have in common. */
const onPostgres = { globalSetup: ['test/support/empty-cluster.ts'] };

/** Puts the fixture in the place of `src/modules`, for the process of the tests and for those that tests start. */
const platform = {
  extends: true,
  resolve: { alias: [{ find: /^\.{1,2}\/modules\/index\.ts$/, replacement: path.join(fixture, 'modules.ts') }] },
  test: {
    ...onPostgres,
    env: {
      TENANT_MIGRATIONS_DIR: path.join(fixture, 'migrations'),
      NODE_OPTIONS: `--import=${pathToFileURL(path.join(fixture, 'register.ts'))}`,
    },
  },
} satisfies TestProjectInlineConfiguration;

export default defineConfig({
  // Vite would take the package's `module`, and Node takes `main`: with two copies, errors get other HTTP statuses than in the server.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // Two processes run all files of a project: loading the server and its packages anew for each takes seconds.
    isolate: false,
    setupFiles: ['test/support/patience.ts'],
    projects: [
      { extends: true, test: { name: 'unit', include: [unitTests] } },
      {
        ...platform,
        test: {
          ...platform.test,
          name: 'platform',
          include: ['test/**/*.test.ts'],
          exclude: [unitTests, moduleTests, ...builderTests],
        },
      },
      { ...platform, test: { ...platform.test, name: 'builder', include: builderTests, isolate: true } },
      { extends: true, test: { ...onPostgres, name: 'modules', include: [moduleTests], exclude: [unitTests] } },
    ],
  },
});
