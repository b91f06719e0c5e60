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
  /** At most this many times the CPU time per request; undefined if it has no target. */
  readonly cpuAtMost?: number;
}

/** The questions, for a tenant with this product. */
export function questionsFor(product: string): readonly Question[] {
  return [
    {
      what: 'a list of ten products',
      sign: '"price"',
      count: 10,
      baseline: '{ allProducts(first: 10) { nodes { rowId name price } } }',
      tenantry: '{ products(first: 10) { nodes { id name price } } }',
      atLeast: 1.5,
      cpuAtMost: 0.7,
    },
    {
      what: 'a single product',
      sign: '"price"',
      count: 1,
      baseline: `{ productByRowId(rowId: "${product}") { rowId name price } }`,
      tenantry: `{ product(id: "${product}") { id name price } }`,
      atLeast: 1.5,
      cpuAtMost: 0.7,
    },
    {
      what: 'ten orders, their lines and products',
      sign: '"quantity"',
      count: 50,
      baseline:
        '{ allOrders(first: 10) { nodes { rowId total orderLinesByOrderId { nodes { quantity productByProductId { name } } } } } }',
      tenantry: '{ orders(first: 10) { nodes { id total lines { quantity product { name } } } } }',
      atLeast: 1.5,
      cpuAtMost: 0.7,
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
