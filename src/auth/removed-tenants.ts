import type { Catalog } from '../catalog/catalog.ts';

/** The action in the audit log that proves the removal of a tenant. Its details begin with the tenant's slug. */
export const purgeAction = 'tenant.purge';

/** Returns the slugs of tenants that were removed for good, by their ids, as the audit log has them. */
export async function slugsOfRemoved(
  catalog: Pick<Catalog, 'use'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string; slug: string }>(
      `SELECT DISTINCT ON (tenant_id) tenant_id AS id, substring(details FROM '^{"slug":"([a-z0-9-]+)"') AS slug
       FROM audit_log WHERE tenant_id = ANY ($1::uuid[]) AND action = $2 ORDER BY tenant_id, id DESC`,
      [ids, purgeAction],
    ),
  );
  return new Map(rows.map(({ id, slug }) => [id, slug]));
}

/** Finds the id of the tenant with a slug that was removed last, if the audit log has one. */
export async function removedWithSlug(catalog: Pick<Catalog, 'use'>, slug: string): Promise<string | undefined> {
  const { rows } = await catalog.use((client) =>
    client.query<{ id: string }>(
      `SELECT tenant_id AS id FROM audit_log WHERE action = $1 AND starts_with(details, $2) ORDER BY id DESC LIMIT 1`,
      [purgeAction, `{"slug":${JSON.stringify(slug)},`],
    ),
  );
  return rows[0]?.id;
}
