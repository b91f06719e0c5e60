import { Client, cacheExchange, type ExecutionResult, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import type { Client as WebSocketClient } from 'graphql-ws';
import type { Session } from './session.ts';

/** @param webSocket the client of websocket.ts, for subscriptions */
export function createUrqlClient(session: Session, webSocket: WebSocketClient): Client {
  return new Client({
    url: session.url,
    preferGetMethod: false,
    fetch: session.fetch,
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: webSocket.subscribe(
              { query, variables: variables ?? {} },
              // The two types of a result differ only in whether members may be undefined.
              { ...sink, next: (result) => sink.next(result as ExecutionResult) },
            ),
          }),
        }),
      }),
    ],
  });
}

const productsQuery = gql<Products, { after: string | null }>`
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
export async function loadAllProducts(client: Client): Promise<string[]> {
  const skus: string[] = [];
  let after: string | null = null;
  do {
    const { data, error }: { data?: Products; error?: Error } = await client.query(productsQuery, { after });
    if (!data) throw error ?? new Error('The server returned no data');
    skus.push(...data.products.nodes.map(({ sku }) => sku));
    after = data.products.pageInfo.hasNextPage ? data.products.pageInfo.endCursor : null;
  } while (after !== null);
  return skus;
}

/** Returns undefined if the SKU is taken. */
export async function createProduct(client: Client, sku: string): Promise<string | undefined> {
  const mutation = gql<{ createProduct: { id: string } }>`
    mutation CreateProduct($input: CreateProductInput!) {
      createProduct(input: $input) { id }
    }
  `;
  const input = { sku, name: sku, price: '1.00', currency: 'EUR', stock: 1 };
  const { data, error } = await client.mutation(mutation, { input });
  if (error?.graphQLErrors[0]?.extensions.code === 'CONFLICT') return undefined;
  if (error) throw error;
  return data?.createProduct.id;
}

/** Calls `show` for each event of a run, until the run ends. */
export function watchRun(client: Client, run: string, show: (kind: string) => void): Promise<void> {
  const query = gql<{ migrationProgress: { kind: string } }>`
    subscription Progress($run: ID!) { migrationProgress(run: $run) { kind done total } }
  `;
  return new Promise((resolve, reject) => {
    client.subscription(query, { run }).subscribe(({ data, error, hasNext }) => {
      if (error) reject(error);
      else if (data) show(data.migrationProgress.kind);
      if (!hasNext) resolve();
    });
  });
}
