import type { Catalog } from '../catalog/catalog.ts';
import type { MigrationFile } from '../migrator/files/migration-files.ts';
import { fleetStatuses } from './runs/start.ts';

/** Tenants that are at the same version, as the catalog knows it. */
export interface VersionCount {
  /** The last migration applied; null if none is, or nothing is known. */
  readonly version: string | null;
  readonly tenants: number;
  /** How many migrations the code has that they have not. */
  readonly behind: number;
  /** Migrations that they have and the code has not: a run refuses them with MIGRATION_UNKNOWN. */
  readonly unknown: readonly string[];
}

/** Where a fleet stands. */
export interface FleetStatus {
  /** The newest migration that the code has. */
  readonly newest: string | null;
  readonly tenants: number;
  /** How many tenants lack some migration. */
  readonly behind: number;
  /** Newest first. */
  readonly versions: readonly VersionCount[];
}

/** Counts the tenants of each version. No tenant is connected to. */
export async function readFleetStatus(catalog: Catalog, files: readonly MigrationFile[]): Promise<FleetStatus> {
  const { rows } = await catalog.use((client) =>
    client.query<VersionCount>(
      `SELECT version, count(*)::int AS tenants, behind, unknown FROM (
         SELECT s.version, (SELECT count(*)::int FROM unnest($1::text[]) AS name
           WHERE NOT coalesce(s.applied @> jsonb_build_array(jsonb_build_object('name', name)), false)) AS behind,
           ARRAY(SELECT m->>'name' FROM jsonb_array_elements(s.applied) AS m WHERE m->>'name' <> ALL ($1)) AS unknown
         FROM tenants t LEFT JOIN migration_states s ON s.id = t.migration_state WHERE t.status = ANY ($2::text[])) v
       GROUP BY version, behind, unknown ORDER BY behind, version DESC NULLS LAST`,
      [files.map(({ name }) => name), fleetStatuses],
    ),
  );
  const count = (some: readonly VersionCount[]) => some.reduce((sum, { tenants }) => sum + tenants, 0);
  return {
    newest: files.at(-1)?.name ?? null,
    tenants: count(rows),
    behind: count(rows.filter(({ behind }) => behind > 0)),
    versions: rows,
  };
}
