import type { LastRequests } from '../../telemetry/last-requests.ts';
import { type MeasuredTenant, type MeasureOptions, measureTenants } from './measure.ts';

/** How much a tenant has and when it was last used. */
export interface TenantUsage {
  /** The size of its database, or of the tables and indexes of its schema. */
  readonly databaseBytes: number;
  /** PostgreSQL's estimate. */
  readonly rows: number;
  readonly files: number;
  readonly lastRequestAt: Date | null;
  readonly measuredAt: Date;
}

/** How many tenants that were never measured are measured at once, because somebody asks for them. */
const MEASURED_AT_ONCE = 5;

interface UsageRow {
  readonly id: string;
  readonly bytes: number;
  readonly rows: number;
  readonly files: number;
  readonly lastRequestMs: number | null;
  readonly measuredMs: number;
}

/** What reading usage needs. */
export interface UsageOptions extends MeasureOptions {
  readonly lastRequests: Pick<LastRequests, 'of'>;
}

/**
 * Reads the usage of tenants from the catalog. A few that were never measured are measured now.
 * @returns the usage by tenant's id; tenants that were not measured yet are missing
 */
export async function readUsages(
  options: UsageOptions,
  tenants: readonly MeasuredTenant[],
): Promise<ReadonlyMap<string, TenantUsage>> {
  const known = await read(options, tenants);
  const missing = tenants.filter(({ id, server }) => !known.has(id) && options.servers.get(server)?.canAdminister);
  if (missing.length === 0 || missing.length > MEASURED_AT_ONCE) return known;
  await measureTenants(options, missing);
  return read(options, tenants);
}

async function read(
  { catalog, lastRequests }: UsageOptions,
  tenants: readonly MeasuredTenant[],
): Promise<ReadonlyMap<string, TenantUsage>> {
  const { rows } = await catalog.use((client) =>
    client.query<UsageRow>(
      `SELECT tenant_id AS id, bytes, rows, coalesce(files, 0) AS files,
         (extract(epoch FROM last_request_at) * 1000)::float8 AS "lastRequestMs",
         (extract(epoch FROM measured_at) * 1000)::float8 AS "measuredMs"
       FROM tenant_usages WHERE tenant_id = ANY ($1::uuid[]) AND measured_at IS NOT NULL`,
      [tenants.map(({ id }) => id)],
    ),
  );
  return new Map(
    rows.map(({ id, bytes, lastRequestMs, measuredMs, ...row }) => {
      const last = Math.max(lastRequestMs ?? 0, lastRequests.of(id) ?? 0);
      return [
        id,
        {
          ...{ rows: row.rows, files: row.files },
          databaseBytes: bytes,
          lastRequestAt: last > 0 ? new Date(last) : null,
          measuredAt: new Date(measuredMs),
        },
      ];
    }),
  );
}
