import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logStatements } from '../../src/postgres/sql/log-statements.ts';
import { captureLog } from '../support/log-lines.ts';
import { type Answer, startTestApp, type TestApp } from '../support/start-app.ts';

describe.each(['DATABASE', 'SCHEMA'])('an order, in a tenant with isolation %s', (isolation) => {
  let app: TestApp;
  let bearer: Record<string, string>;
  let skus = 0;
  const sent = captureLog();
  beforeAll(async () => {
    logStatements(sent.log);
    app = await startTestApp();
    const input = `{ slug: "acme", name: "Acme", isolation: ${isolation} }`;
    await app.ask(`mutation { createTenant(input: ${input}) { id } }`, app.admin);
    const token = await app.services.tokens.issue({ tenant: 'acme', role: 'ADMIN', expiresIn: '1h' });
    bearer = { authorization: `Bearer ${token}` };
  });
  afterAll(() => app[Symbol.asyncDispose]());

  /** Gives the id of a new product. */
  async function product(price: string, stock: number, currency = 'EUR'): Promise<string> {
    skus += 1;
    const input = `{ sku: "p-${skus}", name: "x", price: "${price}", currency: "${currency}", stock: ${stock} }`;
    const { data } = await app.ask(`mutation { createProduct(input: ${input}) { id } }`, bearer);
    return (data as { createProduct: { id: string } }).createProduct.id;
  }

  const place = (lines: readonly (readonly [product: string, quantity: number])[]) => {
    const texts = lines.map(([id, quantity]) => `{ product: "${id}", quantity: ${quantity} }`);
    const fields = 'total currency lines { product { id stock } quantity unitPrice }';
    return app.ask(`mutation { placeOrder(input: { lines: [${texts.join()}] }) { ${fields} } }`, bearer);
  };
  const codeOf = ({ errors }: Answer) => errors?.map(({ extensions }) => extensions.code).join();

  /** How many are left of some products. */
  async function stocks(...ids: readonly string[]): Promise<(number | undefined)[]> {
    const { data } = await app.ask('{ products(first: 100) { nodes { id stock } } }', bearer);
    const { nodes } = (data as { products: { nodes: { id: string; stock: number }[] } }).products;
    return ids.map((id) => nodes.find((node) => node.id === id)?.stock);
  }

  it('adds up exactly, and takes what was ordered from the stock', async () => {
    const [tea, cup] = [await product('0.10', 9), await product('4.50', 5)];
    expect(
      (
        await place([
          [tea, 2],
          [cup, 1],
          [tea, 1],
        ])
      ).data,
    ).toEqual({
      placeOrder: {
        total: '4.80',
        currency: 'EUR',
        lines: [
          { product: { id: tea, stock: 6 }, quantity: 3, unitPrice: '0.10' },
          { product: { id: cup, stock: 4 }, quantity: 1, unitPrice: '4.50' },
        ],
      },
    });
  });

  it('takes nothing if any product is missing, too few, or of another currency', async () => {
    const [plenty, few, yen] = [await product('1', 9), await product('1', 1), await product('100', 9, 'JPY')];
    expect(
      codeOf(
        await place([
          [plenty, 1],
          ['00000000-0000-4000-8000-000000000000', 1],
        ]),
      ),
    ).toBe('NOT_FOUND');
    expect(
      codeOf(
        await place([
          [plenty, 1],
          ['nonsense', 1],
        ]),
      ),
    ).toBe('NOT_FOUND');
    expect(
      codeOf(
        await place([
          [plenty, 1],
          [few, 2],
        ]),
      ),
    ).toBe('CONFLICT');
    expect(
      codeOf(
        await place([
          [plenty, 1],
          [yen, 1],
        ]),
      ),
    ).toBe('BAD_USER_INPUT');
    expect(codeOf(await place([[plenty, 0]]))).toBe('BAD_USER_INPUT');
    expect(await stocks(plenty, few, yen)).toEqual([9, 1, 9]);
  });

  it('never sells more than the stock, whatever the concurrent orders and the order of their products', async () => {
    const [one, other] = [await product('1', 10), await product('1', 10)];
    const orders = Array.from({ length: 30 }, (_, index) =>
      place(
        index % 2 === 0
          ? [
              [one, 1],
              [other, 1],
            ]
          : [
              [other, 1],
              [one, 1],
            ],
      ),
    );
    const codes = (await Promise.all(orders)).map((answer) => codeOf(answer) ?? 'placed').sort();
    expect(codes).toEqual([...Array(20).fill('CONFLICT'), ...Array(10).fill('placed')]);
    expect(await stocks(one, other)).toEqual([0, 0]);
  });

  it('is read with its lines and their products in one statement', async () => {
    const [tea, cup] = [await product('1', 90), await product('1', 90)];
    for (let order = 1; order <= 12; order += 1)
      await place([
        [tea, 1],
        [cup, 1],
      ]);
    const read = async (first: number) => {
      const before = sent.text().length;
      const fields = 'nodes { total lines { quantity product { sku } } }';
      const { data } = await app.ask(`{ orders(first: ${first}) { ${fields} } }`, bearer);
      expect(data).toMatchObject({ orders: { nodes: Array(first).fill({ lines: [{}, {}] }) } });
      return (
        sent
          .text()
          .slice(before)
          // Work in the background has statements of its own. The log cuts statements short.
          .match(/"sql":"select (case when octet_length|[^\n]*\b(orders|order_lines|products)\b)/gi)?.length
      );
    };
    expect(await read(1)).toBe(1);
    expect(await read(12)).toBe(1);
  });

  it('comes newest first, page by page', async () => {
    const seen: string[] = [];
    let after = '';
    let total = 0;
    for (let hasNextPage = true; hasNextPage; ) {
      const page = 'edges { cursor node { id placedAt } } pageInfo { hasNextPage endCursor } totalCount';
      const { data } = await app.ask(`{ orders(first: 5 ${after}) { ${page} } }`, bearer);
      const { orders } = data as {
        orders: {
          edges: { node: { id: string; placedAt: string } }[];
          pageInfo: { hasNextPage: boolean; endCursor: string };
          totalCount: number;
        };
      };
      seen.push(...orders.edges.map(({ node }) => `${node.placedAt} ${node.id}`));
      hasNextPage = orders.pageInfo.hasNextPage;
      after = `after: "${orders.pageInfo.endCursor}"`;
      total = orders.totalCount;
    }
    expect(total).toBeGreaterThan(10);
    expect(seen).toHaveLength(total);
    expect(seen).toEqual([...new Set(seen)].sort().reverse());
  });
});
