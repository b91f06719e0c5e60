import { query } from './peers-seed.ts';

/** The same question, asked in the language of each server. */
export interface Question {
  readonly what: string;
  /** What an answer contains, and how often. */
  readonly sign: string;
  readonly count: number;
  readonly baseline: string;
  readonly tenantry: string;
  /** At least this many times as many requests per second as the baseline. */
  readonly atLeast: number;
}

/** Returns the questions that the schema at `url` can answer. */
export async function questionsFor(url: string, token: string, product: string): Promise<Question[]> {
  const canAnswer = (text: string) =>
    query(url, token, text).then(
      () => true,
      () => false,
    );
  const hasProduct = await canAnswer(`{ product(id: "${product}") { id } }`);
  const isConnection = await canAnswer('{ orders(first: 1) { nodes { lines { nodes { quantity } } } } }');
  const line = 'quantity product { name }';
  return [
    {
      what: 'a list of ten products',
      sign: '"price"',
      count: 10,
      baseline: '{ allProducts(first: 10) { nodes { rowId name price } } }',
      tenantry: '{ products(first: 10) { nodes { id name price } } }',
      atLeast: 1.5,
    },
    ...(hasProduct
      ? [
          {
            what: 'a single product',
            sign: '"price"',
            count: 1,
            baseline: `{ productByRowId(rowId: "${product}") { rowId name price } }`,
            tenantry: `{ product(id: "${product}") { id name price } }`,
            atLeast: 1.5,
          },
        ]
      : []),
    {
      what: 'ten orders, their lines and products',
      sign: '"quantity"',
      count: 50,
      baseline:
        '{ allOrders(first: 10) { nodes { rowId total orderLinesByOrderId { nodes { quantity productByProductId { name } } } } } }',
      tenantry: `{ orders(first: 10) { nodes { id total lines { ${isConnection ? `nodes { ${line} }` : line} } } } }`,
      atLeast: 1.5,
    },
    {
      what: 'only __typename',
      sign: '"Query"',
      count: 1,
      baseline: '{ __typename }',
      tenantry: '{ __typename }',
      atLeast: 0.9,
    },
  ];
}
