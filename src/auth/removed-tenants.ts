import type { Catalog } from '../catalog/catalog.ts';
import { Tenant } from '../catalog/entities/tenant.entity.ts';
import { isUuid } from '../lib/uuid.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';

/** The action in the audit log that proves the removal of a tenant. Its details begin with the tenant's slug. */
export const purgeAction = 'tenant.purge';

/** Returns the slugs of tenants by their ids. Those of tenants that were removed for good are read from the audit log. */
export async function slugsOf(catalog: Catalog, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = await catalog.fork().find(Tenant, { id: { $in: [...ids] } }, { fields: ['slug'] });
  const slugs = new Map<string, string>(found.map(({ id, slug }) => [id, slug]));
  const gone = ids.filter((id) => !slugs.has(id));
  if (gone.length === 0) return slugs;
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string; slug: string | null }>(
      `SELECT DISTINCT ON (tenant_id) tenant_id AS id, substring(details FROM '^{"slug":"([a-z0-9-]+)"') AS slug
       FROM audit_log WHERE tenant_id = ANY ($1::uuid[]) AND action = $2 ORDER BY tenant_id, id DESC`,
      [gone, purgeAction],
    ),
  );
  for (const { id, slug } of rows) if (slug !== null) slugs.set(id, slug);
  return slugs;
}

/**
 * Finds the id of a tenant, also of one that was removed for good.
 * @param reference its slug, or its id, which is not looked up
 */
export async function findTenantId(catalog: Catalog, reference: string): Promise<string | undefined> {
  if (isUuid(reference)) return reference;
  const tenant = await catalog.fork().findOne(Tenant, { slug: reference }, { fields: ['id'] });
  return tenant?.id ?? removedWithSlug(catalog, reference);
}

/** Several tenants may have had the slug one after the other. Returns the id of the one that was removed last. */
async function removedWithSlug(catalog: Catalog, slug: string): Promise<string | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      // As a literal, because the index of these entries is partial.
      `SELECT tenant_id AS id FROM audit_log
       WHERE action = ${quoteLiteral(purgeAction)} AND starts_with(details, $1) ORDER BY id DESC LIMIT 1`,
      [`{"slug":${JSON.stringify(slug)},`],
    ),
  );
  return rows[0]?.id;
}
