import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Vite would take the package's `module`, and Node takes `main`: with two copies, errors get other HTTP statuses than in the server.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, maxWorkers: 2 },
});
