import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startTestApp, type TestApp } from '../support/start-app.ts';

describe('the shop', () => {
  let app: TestApp;
  let bearer: Record<string, string>;
  const ids: Record<string, string> = {};
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
    const token = await app.services.tokens.issue({ tenant: 'acme', role: 'ADMIN', expiresIn: '1h' });
    bearer = { authorization: `Bearer ${token}` };
    for (const [sku, price, stock] of [
      ['tea', '4.50', 10],
      ['cup', '12.00', 0],
      ['pot', '30.00', 3],
    ] as const) {
      const input = `sku: "${sku}", name: "A ${sku}", price: "${price}", currency: "EUR", stock: ${stock}`;
      const { data } = await ask(`mutation { createProduct(input: { ${input} }) { id sku price createdAt } }`);
      const created = data?.createProduct as { id: string };
      expect(created).toEqual({ id: expect.any(String), sku, price, createdAt: expect.stringMatching(/\.\d{3}Z$/) });
      ids[sku] = created.id;
    }
  });
  afterAll(() => app[Symbol.asyncDispose]());

  const ask = (query: string) => app.ask(query, bearer);
  const skus = async (args: string) => {
    const { data, errors } = await ask(`{ products(${args}) { nodes { sku } } }`);
    expect(errors).toBeUndefined();
    return (data as { products: { nodes: { sku: string }[] } }).products.nodes.map(({ sku }) => sku);
  };
  const refusal = ({ errors }: Answer) => ({ ...errors?.[0]?.extensions, message: errors?.[0]?.message });

  it('finds a product by its id, and null where there is none', async () => {
    const { data } = await ask(`{ a: product(id: "${ids.tea}") { name price }
      b: product(id: "00000000-0000-4000-8000-000000000000") { name } }`);
    expect(data).toEqual({ a: { name: 'A tea', price: '4.50' }, b: null });
    expect(refusal(await ask('{ product(id: "tea") { name } }'))).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'id',
    });
  });

  it('lists products as before, filtered and in any order', async () => {
    expect(await skus('first: 10')).toEqual(['tea', 'cup', 'pot']);
    expect(await skus('filter: { price: { gt: "4.5" } }, orderBy: [{ price: DESC }]')).toEqual(['pot', 'cup']);
    expect(await skus('filter: { or: [{ stock: { eq: 0 } }, { sku: { startsWith: "TE" } }] }')).toEqual(['tea', 'cup']);
    expect(await skus('filter: { not: { name: { contains: "%" } } }, last: 1')).toEqual(['pot']);
    expect(await skus('filter: { or: [] }')).toEqual([]);
    expect(await skus('filter: {}, orderBy: [{ stock: ASC }, { sku: ASC }]')).toEqual(['cup', 'pot', 'tea']);
  });

  it('changes only what is sent', async () => {
    const update = (input: string) =>
      ask(`mutation { updateProduct(id: "${ids.pot}", input: { ${input} }) { name price currency stock } }`);
    expect((await update('stock: 5')).data?.updateProduct).toEqual({
      name: 'A pot',
      price: '30.00',
      currency: 'EUR',
      stock: 5,
    });
    expect((await update('name: " The pot ", price: "31.5"')).data?.updateProduct).toMatchObject({
      name: 'The pot',
      price: '31.50',
    });
    expect(refusal(await update('currency: "JPY"'))).toMatchObject({ code: 'BAD_USER_INPUT', field: 'price' });
    expect(refusal(await update('name: null'))).toMatchObject({ code: 'BAD_USER_INPUT', field: 'name' });
    expect(refusal(await update('stock: -1'))).toMatchObject({ code: 'BAD_USER_INPUT', field: 'stock' });
    expect(refusal(await update('sku: "tea"'))).toMatchObject({
      code: 'CONFLICT',
      field: 'sku',
      message: 'A product with this SKU already exists',
    });
    expect((await update('')).data?.updateProduct).toEqual({
      name: 'The pot',
      price: '31.50',
      currency: 'EUR',
      stock: 5,
    });
  });

  it('deletes a product that nobody has ordered', async () => {
    const order = `mutation { placeOrder(input: { lines: [{ product: "${ids.tea}", quantity: 2 }] }) {
      id total lines { quantity product { sku stock } } } }`;
    const { data } = await ask(order);
    expect(data?.placeOrder).toEqual({
      id: expect.any(String),
      total: '9.00',
      lines: [{ quantity: 2, product: { sku: 'tea', stock: 8 } }],
    });
    const remove = (id = '') => ask(`mutation { deleteProduct(id: "${id}") }`);
    expect(refusal(await remove(ids.tea))).toMatchObject({
      code: 'CONFLICT',
      field: 'id',
      message: 'The product is in an order',
    });
    expect((await remove(ids.cup)).data).toEqual({ deleteProduct: true });
    expect((await remove(ids.cup)).data).toEqual({ deleteProduct: false });
    expect(refusal(await remove('cup'))).toMatchObject({ code: 'BAD_USER_INPUT', field: 'id' });
  });

  it('finds orders by their id, their values and the products in them', async () => {
    const { data } =
      await ask(`{ orders(filter: { total: { eq: "9" } }, orderBy: [{ total: DESC }]) { totalCount nodes { id
      tea: lines(filter: { product: { sku: { eq: "tea" } } }) { quantity }
      pots: lines(filter: { product: { sku: { eq: "pot" } } }) { quantity } } } }`);
    const { orders } = data as { orders: { totalCount: number; nodes: { id: string }[] } };
    expect(orders).toEqual({ totalCount: 1, nodes: [{ id: expect.any(String), tea: [{ quantity: 2 }], pots: [] }] });
    const found = await ask(`{ order(id: "${orders.nodes[0]?.id}") { currency lines { unitPrice } } }`);
    expect(found.data).toEqual({ order: { currency: 'EUR', lines: [{ unitPrice: '4.50' }] } });
  });
});
