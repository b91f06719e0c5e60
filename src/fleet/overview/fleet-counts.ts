import type pg from 'pg';
import { type Isolation, isolations, type TenantStatus, tenantStatuses } from '../../catalog/entities/tenant.entity.ts';
import { includesStatus } from '../../catalog/steps.ts';
import { fleetStatuses } from '../../catalog/tenant-status.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import type { StateSummaries } from './state-summaries.ts';

/** The tenants of the catalog in numbers. */
export interface FleetCounts {
  readonly total: number;
  /** Tenants that lack a migration and that a run would migrate. */
  readonly behind: number;
  readonly needsAttention: number;
  /** In the order of a tenant's life. */
  readonly byStatus: readonly { readonly status: TenantStatus; readonly count: number }[];
  /** Newest first; null for tenants without migrations, or whose migrations are unknown. */
  readonly byVersion: readonly VersionCount[];
  /** The server with the most tenants first. */
  readonly byServer: readonly { readonly server: string; readonly count: number }[];
  readonly byIsolation: readonly { readonly isolation: Isolation; readonly count: number }[];
}

interface VersionCount {
  readonly version: string | null;
  readonly count: number;
  /** How many of them lack a migration and would be migrated by a run. */
  readonly behind: number;
}

/** Tenants that are equal in everything that is counted. */
interface Group {
  readonly status: TenantStatus;
  readonly isolation: Isolation;
  readonly server: string;
  readonly state: string | null;
  readonly count: number;
}

/** Counts the tenants in the catalog. It connects to no tenant. */
export async function readFleetCounts(
  client: pg.Client,
  files: readonly MigrationFile[],
  states: StateSummaries,
): Promise<FleetCounts> {
  const summaries = await states.inUse(client, files);
  const { rows } = await client.query<Group>(
    `SELECT status, isolation, server, migration_state AS state, count(*)::int AS count
     FROM tenants GROUP BY status, isolation, server, migration_state`,
  );
  const groups = rows.map((group) => {
    const summary = summaries.get(group.state ?? '');
    // A state that is unknown here was reached a moment ago, so it is the newest.
    const missing = group.state === null ? files.length : (summary?.behind ?? 0);
    const isBehind = missing > 0 && includesStatus(fleetStatuses, group.status);
    return { ...group, version: summary?.version ?? null, behind: isBehind ? group.count : 0 };
  });
  return {
    total: sum(groups),
    behind: groups.reduce((count, { behind }) => count + behind, 0),
    needsAttention: sum(groups.filter(({ status }) => status === 'NEEDS_ATTENTION')),
    byStatus: countBy(groups, ({ status }) => status)
      .map(({ value, count }) => ({ status: value, count }))
      .toSorted((one, other) => tenantStatuses.indexOf(one.status) - tenantStatuses.indexOf(other.status)),
    byVersion: countBy(groups, ({ version }) => version)
      .map(({ value, count, members }) => {
        return { version: value, count, behind: members.reduce((all, { behind }) => all + behind, 0) };
      })
      .toSorted((one, other) => compare(other.version ?? '', one.version ?? '')),
    byServer: countBy(groups, ({ server }) => server)
      .map(({ value, count }) => ({ server: value, count }))
      .toSorted((one, other) => other.count - one.count || compare(one.server, other.server)),
    byIsolation: countBy(groups, ({ isolation }) => isolation)
      .map(({ value, count }) => ({ isolation: value, count }))
      .toSorted((one, other) => isolations.indexOf(one.isolation) - isolations.indexOf(other.isolation)),
  };
}

function countBy<T extends Pick<Group, 'count'>, K>(groups: readonly T[], by: (group: T) => K) {
  return [...Map.groupBy(groups, by)].map(([value, members]) => ({ value, members, count: sum(members) }));
}

function sum(groups: readonly Pick<Group, 'count'>[]): number {
  return groups.reduce((total, { count }) => total + count, 0);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
