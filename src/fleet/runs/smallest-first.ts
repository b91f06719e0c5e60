import type pg from 'pg';
import type { Catalog } from '../../catalog/catalog.ts';
import { fleetStatuses } from '../../catalog/tenant-status.ts';
import type { TenantFiles } from '../../migrator/files/migration-folders.ts';
import type { Servers } from '../../postgres/server.ts';
import type { Placement } from '../../routing/placement.ts';
import { type ReadLimits, readInTenants } from '../read-in-tenants.ts';
import { isDoneInSql, readDoneStates } from './done-states.ts';
import { type RunRequest, resolveTenants } from './start.ts';

/** The orders in which a run takes its tenants. */
export const runOrders = ['CREATED', 'SIZE'] as const;

/** The order in which a run takes its tenants. */
export type RunOrder = (typeof runOrders)[number];

type PlacedTenant = Placement & { readonly id: string };

/**
 * Returns the ids of the tenants that a run would migrate, those with the smallest tables first. Tenants whose tables cannot be
 * read in time come last.
 * @throws {AppError} NOT_FOUND or CONFLICT for tenants, CONFLICT if this process only serves requests
 */
export async function smallestFirst(
  catalog: Catalog,
  servers: Servers,
  files: TenantFiles,
  request: Pick<RunRequest, 'tenants' | 'to' | 'down' | 'verify'>,
  limits: ReadLimits,
): Promise<string[]> {
  const tenants = await catalog.use((client) => openTenants(client, files, request));
  const sizes = await readInTenants(servers, tenants, readSize, limits);
  const sizeOf = (tenant: PlacedTenant) => sizes.get(tenant) ?? Number.POSITIVE_INFINITY;
  // The sort is stable, so tenants of the same size stay in the order of their creation.
  return tenants.toSorted((a, b) => compare(sizeOf(a), sizeOf(b))).map(({ id }) => id);
}

/** The tenants that are not up to date according to the catalog, oldest first. */
async function openTenants(
  client: pg.Client,
  files: TenantFiles,
  { tenants: references, ...options }: Pick<RunRequest, 'tenants' | 'to' | 'down' | 'verify'>,
): Promise<PlacedTenant[]> {
  const ids = references && (await resolveTenants(client, references));
  const done = await readDoneStates(client, files, options);
  const { rows } = await client.query<PlacedTenant>(
    `SELECT t.id, t.server, t.database, t.schema FROM tenants t LEFT JOIN common_states s USING (server, database)
     WHERE t.status = ANY ($1::text[]) AND ($2::uuid[] IS NULL OR t.id = ANY ($2))
       AND NOT ${isDoneInSql({ tenants: 't', commonStates: 's', tenant: '$3', common: '$4' })}
     ORDER BY t.created_at, t.id`,
    [fleetStatuses, ids, done.tenant, done.common],
  );
  return rows;
}

/** The bytes of a tenant's tables, with their indexes. */
async function readSize(client: pg.Client, { schema }: Placement): Promise<number> {
  const { rows } = await client.query<{ bytes: number }>(
    `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 AS bytes FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'm')`,
    [schema],
  );
  return rows[0]?.bytes ?? 0;
}

function compare(a: number, b: number): number {
  // The difference of two infinite sizes is no number.
  return a < b ? -1 : a > b ? 1 : 0;
}
