import type { KnownTenant } from '../../catalog/tenant-directory.ts';
import type { MigrationWarning } from '../../migrator/lint/lint.ts';
import type { ConcernedTenants } from '../plan-warnings.ts';
import type { TableSize } from './table-size.ts';

/** A tenant's table that a statement concerns. */
export interface TenantTable extends TableSize {
  readonly tenant: KnownTenant;
  /** How long the statement will lock it, in milliseconds; null if that does not depend on its size, or is unknown. */
  readonly lockMs: number | null;
}

/** How many tenants have how many rows in a table. */
export interface RowRange {
  /** Inclusive. */
  readonly min: number;
  /** Inclusive; null for no limit. */
  readonly max: number | null;
  readonly tenants: number;
}

/** What a dangerous statement will meet in the tenants. */
export interface Impact {
  readonly warning: MigrationWarning;
  readonly table: string;
  /** The tenants that lack the migration. Of migrations of `common`, one for each database. */
  readonly tenants: number;
  /** How many of them could not be read, or do not have the table yet. */
  readonly unread: number;
  /** In all tenants that have been read. */
  readonly rows: number;
  readonly bytes: number;
  readonly ranges: readonly RowRange[];
  /** The tenants with the most rows, at most {@link MAX_LARGEST}. */
  readonly largest: readonly TenantTable[];
  /** All tenants that have been read. */
  readonly byTenant: ReadonlyMap<KnownTenant, TenantTable>;
}

/** Estimates how long work on a table takes, in milliseconds; undefined if it is unknown. */
export type Estimate = (size: TableSize) => number | undefined;

/** The maximum number of tenants that are named. */
export const MAX_LARGEST = 10;

/** The lowest numbers of rows of the ranges. */
const ranges = [0, 1, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/**
 * Describes what a statement will meet.
 * @param sizes those of its table that could be read, by tenant
 */
export function impactOf(
  { warning, tenants }: ConcernedTenants,
  table: string,
  sizes: ReadonlyMap<KnownTenant, TableSize>,
  estimate: Estimate,
): Impact {
  const read = tenants
    .flatMap((tenant): readonly TenantTable[] => {
      const size = sizes.get(tenant);
      return size ? [{ tenant, ...size, lockMs: estimate(size) ?? null }] : [];
    })
    .sort((a, b) => b.rows - a.rows || b.bytes - a.bytes);
  const counts = ranges.map((min, index): RowRange => {
    const next = ranges[index + 1];
    const isInside = ({ rows }: TableSize) => rows >= min && (next === undefined || rows < next);
    return { min, max: next === undefined ? null : next - 1, tenants: read.filter(isInside).length };
  });
  return {
    warning,
    table,
    tenants: tenants.length,
    unread: tenants.length - read.length,
    rows: read.reduce((sum, { rows }) => sum + rows, 0),
    bytes: read.reduce((sum, { bytes }) => sum + bytes, 0),
    ranges: counts.filter((range) => range.tenants > 0),
    largest: read.slice(0, MAX_LARGEST),
    byTenant: new Map(read.map((each) => [each.tenant, each])),
  };
}
