import type { Catalog } from '../catalog/catalog.ts';
import { fleetStatuses } from '../catalog/tenant-status.ts';
import { kindOfFile, type MigrationFile, type MigrationKind } from '../migrator/files/migration-file.ts';
import { type CommonStatus, readCommonStatus } from './common-plan.ts';

/** Tenants that are at the same version according to the catalog. */
export interface VersionCount {
  /** The last applied migration; null if none is applied or the state is unknown. */
  readonly version: string | null;
  readonly tenants: number;
  /** The number of the code's migrations that they lack; 0 if they have any that the code lacks. */
  readonly behind: number;
  /** Applied migrations that the code doesn't have. A run refuses such tenants with MIGRATION_UNKNOWN. */
  readonly unknown: readonly string[];
}

/** The migration status of the fleet. */
export interface FleetStatus {
  /** The newest migration in the code. */
  readonly newest: string | null;
  /** What it changes; null if there is none. */
  readonly newestKind: MigrationKind | null;
  readonly tenants: number;
  /** The number of tenants that lack a migration. */
  readonly behind: number;
  /** Newest first. */
  readonly versions: readonly VersionCount[];
  readonly common: CommonStatus;
}

/** Counts the tenants at each version. It connects to no tenant. */
export async function readFleetStatus(
  catalog: Catalog,
  files: readonly MigrationFile[],
  commonFiles: readonly MigrationFile[],
): Promise<FleetStatus> {
  const { rows } = await catalog.use((client) =>
    client.query<VersionCount>(
      // Tenants with migrations that the code lacks are not behind it: newer code is in charge of them.
      `SELECT version, sum(tenants)::int AS tenants, CASE WHEN unknown = '{}' THEN lacking ELSE 0 END AS behind, unknown FROM (
         SELECT s.version, t.tenants, (SELECT count(*)::int FROM unnest($1::text[]) AS name
           WHERE NOT coalesce(s.applied @> jsonb_build_array(jsonb_build_object('name', name)), false)) AS lacking,
           ARRAY(SELECT m->>'name' FROM jsonb_array_elements(s.applied) AS m WHERE m->>'name' <> ALL ($1)) AS unknown
         FROM (SELECT migration_state, count(*) AS tenants FROM tenants WHERE status = ANY ($2::text[]) GROUP BY migration_state) t
           LEFT JOIN migration_states s ON s.id = t.migration_state) v
       GROUP BY version, behind, unknown ORDER BY behind, version DESC NULLS LAST`,
      [files.map(({ name }) => name), fleetStatuses],
    ),
  );
  const newest = files.at(-1);
  const count = (some: readonly VersionCount[]) => some.reduce((sum, { tenants }) => sum + tenants, 0);
  return {
    newest: newest?.name ?? null,
    newestKind: newest ? kindOfFile(newest) : null,
    tenants: count(rows),
    behind: count(rows.filter(({ behind }) => behind > 0)),
    versions: rows,
    common: await catalog.use((client) => readCommonStatus(client, commonFiles)),
  };
}
