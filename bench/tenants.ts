import pLimit from 'p-limit';
import { createTenant } from '../src/provisioning/create-tenant.ts';
import type { Services } from '../src/services.ts';

/** The query that benchmarks send. */
export const productsQuery = '{ products(first: 10) { nodes { id name price } } }';

/** Creates tenants with a schema of their own; gives their slugs. */
export async function createSchemaTenants({ provisioning }: Services, count: number): Promise<string[]> {
  const slugs = Array.from({ length: count }, (_, index) => `tenant-${index}`);
  await pLimit(4).map(slugs, (slug) => createTenant(provisioning, { slug, name: 'Bench', isolation: 'SCHEMA' }));
  return slugs;
}

/** Asks for a tenant's products through the whole pipeline of a server, but for HTTP. */
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
  if (!response.ok || text.includes('"errors"')) throw new Error(`The tenant ${slug} was answered: ${text}`);
}
