import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition, relayStylePagination } from '@apollo/client/utilities';
import type { Client } from 'graphql-ws';
import type { Session } from './session.ts';

/**
 * @param webSocket the client of websocket.ts, for subscriptions; without one, they are multipart HTTP responses
 */
export function createApolloClient(session: Session, webSocket?: Client): ApolloClient {
  const http = new HttpLink({ uri: session.url, fetch: session.fetch });
  return new ApolloClient({
    link: webSocket ? ApolloLink.split(isSubscription, new GraphQLWsLink(webSocket), http) : http,
    cache: new InMemoryCache({
      typePolicies: { Query: { fields: { products: relayStylePagination() } } },
    }),
  });
}

function isSubscription({ query }: ApolloLink.Operation): boolean {
  const definition = getMainDefinition(query);
  return definition.kind === 'OperationDefinition' && definition.operation === 'subscription';
}

const productsQuery = gql`
  query Products($after: String) {
    products(first: 2, after: $after) {
      edges { cursor node { id sku name } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

interface Products {
  readonly products: {
    readonly edges: readonly { readonly node: { readonly id: string; readonly sku: string } }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}

/** Loads the list page by page into the cache, and returns all SKUs. */
export async function loadAllProducts(client: ApolloClient): Promise<string[]> {
  const list = client.watchQuery<Products>({ query: productsQuery });
  let { data } = await list.refetch();
  while (data?.products.pageInfo.hasNextPage) {
    await list.fetchMore({ variables: { after: data.products.pageInfo.endCursor } });
    data = client.readQuery<Products>({ query: productsQuery }) ?? undefined;
  }
  return data?.products.edges.map(({ node }) => node.sku) ?? [];
}

/** Returns undefined if the SKU is taken. */
export async function createProduct(client: ApolloClient, sku: string): Promise<string | undefined> {
  try {
    const { data } = await client.mutate<{ createProduct: { id: string } }>({
      mutation: gql`
        mutation CreateProduct($input: CreateProductInput!) {
          createProduct(input: $input) { id }
        }
      `,
      variables: { input: { sku, name: sku, price: '1.00', currency: 'EUR', stock: 1 } },
    });
    return data?.createProduct.id;
  } catch (error) {
    if (CombinedGraphQLErrors.is(error) && error.errors[0]?.extensions?.code === 'CONFLICT') return undefined;
    throw error;
  }
}

/** Calls `show` for each event of a run, until the run ends. */
export function watchRun(client: ApolloClient, run: string, show: (kind: string) => void): Promise<void> {
  const query = gql`subscription Progress($run: ID!) { migrationProgress(run: $run) { kind done total } }`;
  return new Promise((resolve, reject) => {
    client.subscribe<{ migrationProgress: { kind: string } }>({ query, variables: { run } }).subscribe({
      next: ({ data, error }) => (error ? reject(error) : data && show(data.migrationProgress.kind)),
      error: reject,
      complete: resolve,
    });
  });
}
