import pLimit from 'p-limit';
import { createGraphqlServer } from '../src/api/server.ts';
import type { Services } from '../src/installation/services.ts';
import { buildSchema } from '../src/server/build-schema.ts';
import { type CreateTenantInput, createTenant } from '../src/tenants/create.ts';
import { product } from '../test/fixture/product.ts';

/** The query that benchmarks send. */
export const productsQuery = '{ products(first: 10) { nodes { id name price } } }';

/** Creates tenants. Returns their slugs. */
export async function createTenants(
  { provisioning }: Services,
  count: number,
  place: Pick<CreateTenantInput, 'isolation' | 'server'>,
): Promise<string[]> {
  const prefix = `${place.server ?? 'tenant'}-${place.isolation?.toLowerCase()}`;
  const slugs = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  await pLimit(4).map(slugs, (slug) => createTenant(provisioning, { slug, name: 'Bench', ...place }));
  return slugs;
}

/** Returns a function that sends a query through the whole pipeline of a server except HTTP, and returns the answer's text. */
export function frontOf(services: Services): (query: string, token?: string) => Promise<string> {
  const built = buildSchema(product).then((schema) => createGraphqlServer(services, schema));
  return async (query, token) => {
    const yoga = await built;
    const response = await yoga.fetch('http://localhost/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query }),
    });
    return response.text();
  };
}

/** Queries a tenant's products through the whole pipeline of a server except HTTP. */
export async function askTenant(
  yoga: { fetch(url: string, init: RequestInit): Response | Promise<Response> },
  { tokens }: Services,
  slug: string,
): Promise<void> {
  const token = await tokens.issue({ tenant: slug, expiresIn: '1h' });
  const response = await yoga.fetch('http://localhost/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: productsQuery }),
  });
  const text = await response.text();
  if (!response.ok || text.includes('"errors"')) throw new Error(`The answer to the tenant ${slug} was: ${text}`);
}
