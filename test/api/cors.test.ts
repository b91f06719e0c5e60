import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraphqlServer } from '../../src/api/server.ts';
import { loadConfig } from '../../src/config/config.ts';
import { type Listening, listen } from '../support/listen.ts';
import { buildTestSchema } from '../support/product.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

const startRun = 'mutation { runMigrations { id } }';
const schemaQuery = '{ __schema { queryType { name } } }';

describe('what pages in browsers may do', () => {
  let app: TestApp;
  /** With two listed origins. */
  let server: Listening;
  /** As it is with the settings of production, but for the database. */
  let production: Listening;
  /** With the settings of development. */
  let development: Listening;
  /** The same as in production, with all switched on that production switches off. */
  let opened: Listening;

  beforeAll(async () => {
    app = await startTestApp({ CORS_ORIGINS: 'https://one.example, https://two.example:8443' });
    const secrets = { DATABASE_URL: 'postgres://u:p@db/x', JWT_SECRET: 'x'.repeat(32), ROLE_SECRET: 'y'.repeat(32) };
    const withSettings = async (env: Record<string, string>) => {
      const { graphql, http } = loadConfig({ NODE_ENV: 'production', ...secrets, ...env });
      const config = { ...app.services.config, graphql, http };
      return listen(createGraphqlServer({ ...app.services, config }, await buildTestSchema()));
    };
    server = await listen(app.yoga);
    production = await withSettings({});
    development = await withSettings({ NODE_ENV: 'development' });
    opened = await withSettings({ GRAPHIQL: 'true', INTROSPECTION: 'on' });
  });
  afterAll(async () => {
    for (const each of [server, production, opened, development]) await each[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  it.each(['https://one.example', 'https://two.example:8443'])(
    'lets pages of the listed origin %s read',
    async (origin) => {
      const { headers } = await server.post({ query: '{ server { name } }' }, { origin });
      expect(headers['access-control-allow-origin']).toBe(origin);
      expect(headers.vary).toMatch(/origin/i);
      const preflight = await server.send({
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      });
      expect(preflight.headers['access-control-allow-headers']).toBe('authorization');
      expect(preflight.headers['access-control-allow-methods']).toBe('GET, POST');
    },
  );

  it.each(['https://evil.example', 'null', 'https://one.example.evil.example', 'http://one.example'])(
    'lets no page of the origin %s read',
    async (origin) => {
      for (const each of [server, production]) {
        const { headers } = await each.post({ query: '{ server { name } }' }, { origin });
        expect(headers['access-control-allow-origin']).toBeUndefined();
        const preflight = await each.send({
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'POST' },
        });
        expect(preflight.headers['access-control-allow-origin']).toBeUndefined();
      }
    },
  );

  it.each(['http://localhost:5173', 'http://127.0.0.1:3000', 'https://localhost', 'http://[::1]:8080'])(
    'lets pages of %s read in development only',
    async (origin) => {
      const { headers } = await development.post({ query: '{ server { name } }' }, { origin });
      expect(headers['access-control-allow-origin']).toBe(origin);
      expect(headers.vary).toMatch(/origin/i);
      for (const each of [server, production]) {
        const refused = await each.post({ query: '{ server { name } }' }, { origin });
        expect(refused.headers['access-control-allow-origin']).toBeUndefined();
      }
    },
  );

  it.each([
    'http://localhost.evil.example:5173',
    'http://evil.example',
    'null',
    'file://localhost',
    'http://127.0.0.1.evil.example',
  ])('lets no page of %s read in development', async (origin) => {
    const { headers } = await development.post({ query: '{ server { name } }' }, { origin });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it.each([
    ['text', 'text/plain', JSON.stringify({ query: startRun })],
    ['a form', 'application/x-www-form-urlencoded', new URLSearchParams({ query: startRun }).toString()],
    ['a form in capitals', 'Application/X-WWW-Form-Urlencoded', new URLSearchParams({ query: startRun }).toString()],
    [
      'a multipart form',
      'multipart/form-data; boundary=x',
      `--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{"query":"${startRun}"}\r\n--x--`,
    ],
    ['nothing that says what it is', '', JSON.stringify({ query: startRun })],
  ])(
    'runs no mutation that is sent as %s, as pages may send it unasked, and says what to send',
    async (_name, type, body) => {
      const headers = { ...app.admin, ...(type && { 'content-type': type }) };
      const answer = await server.send({ method: 'POST', headers, body });
      expect(answer).toMatchObject({ status: 415, code: 'BAD_USER_INPUT' });
      expect(answer.text).toContain('The body must be JSON, with the header content-type: application/json');
      expect(await app.ask('{ migrationRuns { totalCount } }', app.admin)).toEqual({
        data: { migrationRuns: { totalCount: 0 } },
      });
    },
  );

  it('runs no mutation by GET', async () => {
    const answer = await server.get(`/graphql?query=${encodeURIComponent(startRun)}`, app.admin);
    expect(answer).toMatchObject({ status: 405, code: 'BAD_USER_INPUT' });
    expect(await app.ask('{ migrationRuns { totalCount } }', app.admin)).toEqual({
      data: { migrationRuns: { totalCount: 0 } },
    });
    expect((await server.get('/graphql?query={server{name}}')).body.data).toEqual({
      server: { name: 'Tenantry' },
    });
  });

  it('shows no schema in production, and GraphiQL to nobody', async () => {
    const { body, code } = await production.post({ query: schemaQuery });
    expect({ data: body.data, code }).toEqual({ data: undefined, code: 'BAD_USER_INPUT' });
    const page = await production.get('/graphql', { accept: 'text/html' });
    expect(page.headers['content-type'] ?? '').not.toContain('html');
  });

  it.each([
    ['a field', '{ tenant(slug: "a") { plcement { server } } }'],
    ['a type', 'query ($filter: TenantFilte) { tenants(filter: $filter) { totalCount } }'],
    ['a field of an input', 'mutation { createTenant(input: { slug: "a", nam: "a" }) { id } }'],
    ['a value of an enum', '{ tenants(filter: { isolation: SCHEM }) { totalCount } }'],
  ])('does not tell in production how %s is called that is not written right', async (_what, query) => {
    const refused = await production.post({ query });
    expect(refused.code).toBe('BAD_USER_INPUT');
    expect(refused.body.errors?.[0]).toMatchObject({
      locations: [{ line: 1 }],
      extensions: { code: 'BAD_USER_INPUT' },
    });
    expect(refused.text).not.toContain('Did you mean');
    expect((await opened.post({ query })).text).toContain('Did you mean');
  });

  it('shows both in production when the settings say so, and in development', async () => {
    for (const each of [opened, server]) {
      expect((await each.post({ query: schemaQuery })).body).toEqual({
        data: { __schema: { queryType: { name: 'Query' } } },
      });
      const page = await each.get('/graphql', { accept: 'text/html' });
      expect(page.headers['content-type']).toContain('text/html');
      expect(page.text).toContain('<title>Tenantry</title>');
    }
  });
});
