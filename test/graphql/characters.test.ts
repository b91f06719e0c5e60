import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('characters of a text', () => {
  let app: TestApp;
  let server: Listening;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    server = await listen(app.yoga);
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  const createProduct = `mutation ($text: String!) {
    createProduct(input: { sku: $text, name: $text, price: "1.00", currency: "EUR" }) { name }
  }`;

  it.each([
    ['mutation ($text: String!) { createTenant(input: { slug: "other", name: $text }) { id } }', 'admin'],
    ['query ($text: String!) { tenant(slug: $text) { id } }', 'admin'],
    ['query ($text: String!) { tenants(filter: { search: $text }) { totalCount } }', 'admin'],
    ['query ($text: String!) { tenants(filter: { server: $text }) { nodes { id } } }', 'admin'],
    [createProduct, 'member'],
  ])('are refused as bad input where PostgreSQL cannot store them: %s', async (query, caller) => {
    const headers = caller === 'admin' ? app.admin : await app.tokenFor('acme');
    expect((await server.post({ query, variables: { text: 'a\u0000b' } }, headers)).code).toBe('BAD_USER_INPUT');
  });

  it.each(['’;DROPTABLEproducts;--', '\\', '"', '💥', '\u202e', '%_', "a'b", '$1', '?', '\ufffe'])(
    'come back as they were: %j',
    async (text) => {
      const { body } = await server.post({ query: createProduct, variables: { text } }, await app.tokenFor('acme'));
      expect(body).toEqual({ data: { createProduct: { name: text } } });
    },
  );
});
