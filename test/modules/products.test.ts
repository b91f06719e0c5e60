import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('a product', () => {
  let app: TestApp;
  let bearer: Record<string, string>;
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
    const token = await app.services.tokens.issue({ tenant: 'acme', role: 'ADMIN', expiresIn: '1h' });
    bearer = { authorization: `Bearer ${token}` };
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  it.each([
    ['EUR', '4.50', { price: '4.50' }],
    ['JPY', '450', { price: '450.00' }],
    ['BHD', '1.234', { price: '1.234' }],
    ['CLF', '1.2345', { price: '1.2345' }],
    ['EUR', '4.505', { refused: 'price' }],
    ['JPY', '1.2345', { refused: 'price' }],
    ['XYZ', '1.00', { refused: 'currency' }],
    ['eur', '1.00', { refused: 'currency' }],
  ])('has a currency of ISO 4217, and a price that it can have: %s %s', async (currency, price, expected) => {
    const input = `sku: "${currency}-${price}", name: "x", price: "${price}", currency: "${currency}"`;
    const { data, errors } = await app.ask(`mutation { createProduct(input: { ${input} }) { price } }`, bearer);
    const { code, field } = errors?.[0]?.extensions ?? {};
    if (!errors) expect(data?.createProduct).toEqual(expected);
    else expect({ code, refused: field }).toEqual({ code: 'BAD_USER_INPUT', ...expected });
  });

  it.each(['\u001b', '\u202e', '\u2066', '\u2028'])(
    'has nothing hidden in its name and SKU, such as %j',
    async (hidden) => {
      const product = (sku: string, name: string) =>
        app.ask(
          `mutation { createProduct(input: { sku: ${JSON.stringify(sku)}, name: ${JSON.stringify(name)}, price: "1.00", currency: "EUR" }) { id } }`,
          bearer,
        );
      expect((await product('x', `a${hidden}b`)).errors?.[0]?.extensions).toEqual({
        code: 'BAD_USER_INPUT',
        field: 'name',
      });
      expect((await product(`a${hidden}b`, 'x')).errors?.[0]?.extensions).toEqual({
        code: 'BAD_USER_INPUT',
        field: 'sku',
      });
    },
  );
});
