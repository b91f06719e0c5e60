import { beforeAll, describe, expect, it } from 'vitest';
import { useServer } from '../support/use-server.ts';

describe('characters of a text', () => {
  const used = useServer({ DEFAULT_ISOLATION: 'schema' });
  beforeAll(async () => {
    await used.app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', used.app.admin);
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
    const headers = caller === 'admin' ? used.app.admin : await used.app.tokenFor('acme');
    expect((await used.server.post({ query, variables: { text: 'a\u0000b' } }, headers)).code).toBe('BAD_USER_INPUT');
  });

  it.each(['’;DROPTABLEproducts;--', '\\', '"', '💥', '\u202e', '%_', "a'b", '$1', '?', '\ufffe'])(
    'come back as they were: %j',
    async (text) => {
      const { body } = await used.server.post(
        { query: createProduct, variables: { text } },
        await used.app.tokenFor('acme'),
      );
      expect(body).toEqual({ data: { createProduct: { name: text } } });
    },
  );
});
