import { ClientError, GraphQLClient, gql } from 'graphql-request';
import type { Session } from './session.ts';

export function createRequestClient(session: Session): GraphQLClient {
  return new GraphQLClient(session.url, { fetch: session.fetch });
}

const productsQuery = gql`
  query Products($after: String) {
    products(first: 2, after: $after) {
      nodes { id sku name }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

interface Products {
  readonly products: {
    readonly nodes: readonly { readonly id: string; readonly sku: string }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}

/** Requests the list page by page, and returns all SKUs. */
export async function loadAllProducts(client: GraphQLClient): Promise<string[]> {
  const skus: string[] = [];
  let after: string | null = null;
  do {
    const { products }: Products = await client.request(productsQuery, { after });
    skus.push(...products.nodes.map(({ sku }) => sku));
    after = products.pageInfo.hasNextPage ? products.pageInfo.endCursor : null;
  } while (after !== null);
  return skus;
}

/** Returns undefined if the SKU is taken. */
export async function createProduct(client: GraphQLClient, sku: string): Promise<string | undefined> {
  const mutation = gql`
    mutation CreateProduct($input: CreateProductInput!) {
      createProduct(input: $input) { id }
    }
  `;
  const input = { sku, name: sku, price: '1.00', currency: 'EUR', stock: 1 };
  try {
    const { createProduct } = await client.request<{ createProduct: { id: string } }>(mutation, { input });
    return createProduct.id;
  } catch (error) {
    if (error instanceof ClientError && error.response.errors?.[0]?.extensions?.code === 'CONFLICT') return undefined;
    throw error;
  }
}
