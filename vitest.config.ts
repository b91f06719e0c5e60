import path from 'node:path';
import { defineConfig } from 'vitest/config';

const fixture = path.resolve('test/fixture');

export default defineConfig({
  // Vite would take the package's `module`, and Node takes `main`: with two copies, errors get other HTTP statuses than in the server.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    globalSetup: ['test/support/empty-cluster.ts'],
    setupFiles: ['test/support/patience.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'platform',
          include: ['test/**/*.test.ts'],
          exclude: ['test/modules/**'],
          env: { TENANT_MIGRATIONS_DIR: path.join(fixture, 'migrations') },
        },
      },
      {
        extends: true,
        test: { name: 'modules', include: ['test/modules/**/*.test.ts'], env: { TEST_PRODUCT: 'modules' } },
      },
    ],
  },
});
