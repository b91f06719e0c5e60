import type { Catalog } from '../catalog/catalog.ts';

/** How busy a tenant has been in the last seconds, in all processes together. */
export interface BusyTenant {
  readonly id: string;
  readonly slug: string;
  readonly requestsPerSecond: number;
  /** How many of its requests were under way at once, on average. */
  readonly averageConcurrency: number;
}

/** What busy tenants are ranked by. */
export type BusyOrder = 'requestsPerSecond' | 'averageConcurrency';

/** Processes report every ten seconds. An older report is of a process that has ended, or cannot reach the catalog. */
const busiestSql = `
  SELECT t.id, t.slug, sum(l.requests * 1000 / p.period_ms)::float8 AS "requestsPerSecond",
    sum(l.ms / p.period_ms)::float8 AS "averageConcurrency"
  FROM tenant_loads p CROSS JOIN LATERAL jsonb_to_recordset(p.loads) AS l (tenant uuid, requests float8, ms float8)
    JOIN tenants t ON t.id = l.tenant
  WHERE p.reported_at > now() - interval '30 seconds'
  GROUP BY t.id, t.slug`;

const sqlBy: Readonly<Record<BusyOrder, string>> = {
  requestsPerSecond: `${busiestSql} ORDER BY 3 DESC, t.slug LIMIT $1`,
  averageConcurrency: `${busiestSql} ORDER BY 4 DESC, t.slug LIMIT $1`,
};

/** Finds the busiest tenants, the busiest first. */
export async function busiestTenants(
  catalog: Pick<Catalog, 'use'>,
  { first, orderBy }: { readonly first: number; readonly orderBy: BusyOrder },
): Promise<readonly BusyTenant[]> {
  const { rows } = await catalog.use((client) => client.query<BusyTenant>(sqlBy[orderBy], [first]));
  return rows;
}
