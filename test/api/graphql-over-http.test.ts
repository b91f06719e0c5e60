import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraphqlServer } from '../../src/api/server.ts';
import { type Listening, listen } from '../support/listen.ts';
import { buildTestSchema } from '../support/product.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

/** @see https://graphql.github.io/graphql-over-http/draft/ */
describe('GraphQL over HTTP', () => {
  let app: TestApp;
  const servers: Listening[] = [];
  beforeAll(async () => {
    app = await startTestApp();
    const schema = await buildTestSchema();
    for (const plainRequests of [true, false]) {
      servers.push(await listen(createGraphqlServer(app.services, schema, { plainRequests })));
    }
  });
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  describe.each([
    ['as it is', 0, ''],
    ['by Yoga alone', 1, ''],
    ['at the path of event streams', 0, '/stream'],
  ])('%s', (_way, index, path) => {
    const url = () => `${servers[index]?.url ?? expect.unreachable()}${path}`;
    const audits = serverAudits({ url });
    it.each(audits.map(({ name, fn }) => ({ name, fn })))('$name', async ({ fn }) => {
      // A notice says that a server may also answer in another way.
      expect((await fn()).status).toMatch(/^(ok|notice)$/);
    });
  });
});
