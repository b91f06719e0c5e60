import type { Catalog } from '../catalog/catalog.ts';
import { includesStatus } from '../catalog/steps.ts';
import { fleetStatuses } from '../catalog/tenant-status.ts';
import { behindByState } from '../fleet/tenant-states.ts';
import type { MigrationFolder } from '../migrator/files/migration-folder.ts';

/** What the catalog says of the fleet and its runs. */
export interface FleetFigures {
  /** When it was read, in seconds since the epoch. */
  readonly readAt: number;
  /** Tenants by status. */
  readonly statuses: ReadonlyMap<string, number>;
  /** Tenants that take part in runs, by their newest migration. */
  readonly versions: ReadonlyMap<string, number>;
  readonly behind: number;
  /** Runs that have not ended, by status. */
  readonly runs: ReadonlyMap<string, number>;
  /** How long the oldest run that has not ended has existed, in seconds; 0 if there is none. */
  readonly oldestRunSeconds: number;
  /** Tenants of runs that have not ended, by status. */
  readonly runTenants: ReadonlyMap<string, number>;
}

/** How many versions are told apart. The others count as {@link otherVersion}. */
const MAX_VERSIONS = 20;
/** Not the names of migrations. */
export const otherVersion = '(other)';
export const unknownVersion = '(unknown)';

const tenantsSql = `
  SELECT g.status, g.migration_state AS state, s.version, g.count FROM (
    SELECT status, migration_state, count(*)::int AS count FROM tenants GROUP BY status, migration_state) g
  LEFT JOIN migration_states s ON s.id = g.migration_state`;

// Counts that workers keep up, so that the items of a large run need not be counted.
const runsSql = `
  SELECT status, count(*)::int AS count, sum(failed)::int AS failed, sum(succeeded)::int AS succeeded, sum(skipped)::int AS skipped,
    sum(total - succeeded - failed - skipped - cancelled)::int AS open,
    coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS seconds
  FROM migration_runs WHERE ended_at IS NULL GROUP BY status`;

interface TenantGroup {
  readonly status: string;
  readonly state: string | null;
  readonly version: string | null;
  readonly count: number;
}

interface RunGroup {
  readonly status: string;
  readonly count: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly open: number;
  readonly seconds: number;
}

/** Reads the figures with two statements. It connects to no tenant. */
export async function readFleetFigures(
  catalog: Catalog,
  migrations: Pick<MigrationFolder, 'read'>,
): Promise<FleetFigures> {
  const { groups, runs } = await catalog.use(async (client) => ({
    groups: (await client.query<TenantGroup>(tenantsSql)).rows,
    runs: (await client.query<RunGroup>(runsSql)).rows,
  }));
  const fleet = groups.filter(({ status }) => includesStatus(fleetStatuses, status));
  const behind = await behindByState(catalog, await migrations.read());
  const total = (read: (group: RunGroup) => number) => runs.reduce((sum, group) => sum + read(group), 0);
  return {
    readAt: Date.now() / 1000,
    statuses: sumBy(groups, ({ status }) => status),
    versions: limited(sumBy(fleet, ({ version }) => version ?? unknownVersion)),
    // A tenant whose migrations are unknown lacks some, for all that is known.
    behind: sum(fleet.filter(({ state }) => state === null || (behind.get(state) ?? 0) > 0)),
    runs: sumBy(runs, ({ status }) => status),
    oldestRunSeconds: runs.reduce((most, { seconds }) => Math.max(most, seconds), 0),
    runTenants: new Map([
      ['OPEN', total(({ open }) => open)],
      ['SUCCEEDED', total(({ succeeded }) => succeeded)],
      ['SKIPPED', total(({ skipped }) => skipped)],
      ['FAILED', total(({ failed }) => failed)],
    ]),
  };
}

function sum(groups: readonly { readonly count: number }[]): number {
  return groups.reduce((total, { count }) => total + count, 0);
}

function sumBy<T extends { readonly count: number }>(groups: readonly T[], keyOf: (group: T) => string) {
  const sums = new Map<string, number>();
  for (const group of groups) sums.set(keyOf(group), (sums.get(keyOf(group)) ?? 0) + group.count);
  return sums;
}

/** Keeps the most frequent versions. */
function limited(versions: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const sorted = [...versions].toSorted(([, a], [, b]) => b - a);
  const others = sorted.slice(MAX_VERSIONS).reduce((total, [, count]) => total + count, 0);
  return new Map([...sorted.slice(0, MAX_VERSIONS), ...(others > 0 ? ([[otherVersion, others]] as const) : [])]);
}
