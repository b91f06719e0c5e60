import type { Catalog } from '../catalog/catalog.ts';
import type { FleetOverview } from '../fleet/overview/overview.ts';

/** What the catalog says of the fleet and its runs. */
export interface FleetFigures {
  /** When it was read, in seconds since the epoch. */
  readonly readAt: number;
  /** Tenants by status. */
  readonly statuses: ReadonlyMap<string, number>;
  /** Tenants by their newest migration. */
  readonly versions: ReadonlyMap<string, number>;
  readonly behind: number;
  /** Runs that have not ended, by status. */
  readonly runs: ReadonlyMap<string, number>;
  /** How long the oldest run that has not ended has existed, in seconds; 0 if there is none. */
  readonly oldestRunSeconds: number;
  /** Tenants of runs that have not ended, by status. */
  readonly runTenants: ReadonlyMap<string, number>;
}

/** How many versions have a count of their own. The others count as {@link otherVersion}. */
const MAX_VERSIONS = 20;
/** Not the names of migrations. */
export const otherVersion = '(other)';
export const unknownVersion = '(unknown)';

// Counts that workers keep up, so that the items of a large run need not be counted.
const runsSql = `
  SELECT status, count(*)::int AS count, sum(failed)::int AS failed, sum(succeeded)::int AS succeeded, sum(skipped)::int AS skipped,
    sum(total - succeeded - failed - skipped - cancelled)::int AS open,
    coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS seconds
  FROM migration_runs WHERE ended_at IS NULL GROUP BY status`;

interface RunGroup {
  readonly status: string;
  readonly count: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly skipped: number;
  readonly open: number;
  readonly seconds: number;
}

/** Reads the figures. It connects to no tenant. */
export async function readFleetFigures(
  fleet: Pick<FleetOverview, 'counts'>,
  catalog: Pick<Catalog, 'use'>,
): Promise<FleetFigures> {
  const { byStatus, byVersion, behind } = await fleet.counts();
  const { rows: runs } = await catalog.use((client) => client.query<RunGroup>(runsSql));
  const total = (read: (group: RunGroup) => number) => runs.reduce((sum, group) => sum + read(group), 0);
  return {
    readAt: Date.now() / 1000,
    statuses: new Map(byStatus.map(({ status, count }) => [status, count])),
    versions: limited(byVersion.map(({ version, count }) => [version ?? unknownVersion, count])),
    behind,
    runs: new Map(runs.map(({ status, count }) => [status, count])),
    oldestRunSeconds: runs.reduce((most, { seconds }) => Math.max(most, seconds), 0),
    runTenants: new Map([
      ['OPEN', total(({ open }) => open)],
      ['SUCCEEDED', total(({ succeeded }) => succeeded)],
      ['SKIPPED', total(({ skipped }) => skipped)],
      ['FAILED', total(({ failed }) => failed)],
    ]),
  };
}

/** Keeps the most frequent versions. */
function limited(versions: readonly (readonly [string, number])[]): ReadonlyMap<string, number> {
  const sorted = versions.toSorted(([, a], [, b]) => b - a);
  const others = sorted.slice(MAX_VERSIONS).reduce((total, [, count]) => total + count, 0);
  return new Map([...sorted.slice(0, MAX_VERSIONS), ...(others > 0 ? ([[otherVersion, others]] as const) : [])]);
}
