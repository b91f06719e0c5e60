import { expect } from 'vitest';
import type { Isolation } from '../../src/catalog/entities/tenant.entity.ts';
import type { KnownTenant } from '../../src/catalog/tenant-directory.ts';
import type { TestApp } from './start-app.ts';

/** A tenant, and the headers of one of its members. */
export interface TestTenant {
  readonly slug: string;
  readonly row: KnownTenant;
  readonly member: Record<string, string>;
}

/** Creates tenants through the API, some at a time. */
export async function createTenants(app: TestApp, isolations: readonly Isolation[]): Promise<TestTenant[]> {
  const create = async (isolation: Isolation, index: number): Promise<TestTenant> => {
    const slug = `${isolation.toLowerCase()}-${index}`;
    const input = `{ slug: "${slug}", name: "The tenant ${slug}", isolation: ${isolation} }`;
    const created = await app.ask(`mutation { createTenant(input: ${input}) { status } }`, app.admin);
    expect(created).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
    const row = await app.services.directory.byReference(slug);
    return { slug, row: row ?? expect.unreachable(`${slug} is not found`), member: await app.tokenFor(slug) };
  };
  return mapAtOnce(isolations, 4, create);
}

/** Maps items with limited concurrency. */
export async function mapAtOnce<T, U>(
  items: readonly T[],
  atOnce: number,
  map: (item: T, index: number) => Promise<U>,
): Promise<U[]> {
  const results: U[] = [];
  const entries = items.entries();
  const work = async () => {
    for (const [index, item] of entries) results[index] = await map(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}
