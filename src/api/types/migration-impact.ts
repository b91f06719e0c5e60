import type { KnownTenant } from '../../catalog/tenant-directory.ts';
import { type Impact, MAX_LARGEST, type RowRange, type TenantTable } from '../../fleet/impact/impact.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import { pageSize } from '../list-page.ts';
import { MigrationWarningRef } from './migration-warning.ts';
import { loadTenant, TenantRef } from './tenant.ts';

const lockMs =
  'How long the statement locks the table, in milliseconds, estimated with sample rows. Null if that does not depend on the size, or is unknown. The lock lasts until the end of the batch, so the times of several statements add up.';
const bytes = 'The bytes of its rows, without indexes and without large values that PostgreSQL stores apart.';

const RowRangeRef = builder.objectRef<RowRange>('RowRange').implement({
  description: 'How many tenants have a number of rows from min to max.',
  fields: (t) => ({
    min: t.exposeInt('min'),
    max: t.exposeInt('max', { nullable: true, description: 'Null for no limit.' }),
    tenants: t.exposeInt('tenants'),
  }),
});

const TenantTableRef = builder.objectRef<TenantTable>('TenantTable').implement({
  description: "A tenant's table that a dangerous statement concerns.",
  fields: (t) => ({
    tenant: t.field({ type: TenantRef, resolve: ({ tenant: { id } }, _args, context) => loadTenant(context, id) }),
    rows: t.exposeFloat('rows', { description: 'An estimate for large tables.' }),
    bytes: t.exposeFloat('bytes', { description: bytes }),
    lockMs: t.exposeFloat('lockMs', { nullable: true, description: lockMs }),
  }),
});

/** The maximum number of ranges of rows. */
const MAX_RANGES = 10;

/** The GraphQL type of what a statement will meet in the fleet. */
export const MigrationImpactRef = builder.objectRef<Impact>('MigrationImpact').implement({
  description: 'What a dangerous statement will meet in the tenants.',
  fields: (t) => ({
    migration: t.string({ resolve: ({ warning }) => warning.migration }),
    warning: t.field({ type: MigrationWarningRef, resolve: ({ warning }) => warning }),
    table: t.exposeString('table'),
    tenants: t.exposeInt('tenants', {
      description: 'The tenants that lack the migration. Of migrations of common, one for each database.',
    }),
    unread: t.exposeInt('unread', {
      description: 'How many of them could not be read in time, or do not have the table yet.',
    }),
    rows: t.exposeFloat('rows', { description: 'In all tenants that have been read.' }),
    bytes: t.exposeFloat('bytes', { description: 'In all tenants that have been read.' }),
    ranges: t.field({
      type: [RowRangeRef],
      description: 'How many tenants have how many rows. Ranges without tenants are left out.',
      maxItems: MAX_RANGES,
      resolve: ({ ranges }) => ranges,
    }),
    largest: t.field({
      type: [TenantTableRef],
      description: 'The tenants with the most rows.',
      maxItems: MAX_LARGEST,
      resolve: ({ largest }) => largest,
    }),
    lockMs: t.float({
      nullable: true,
      description: `For the tenant with the most rows. ${lockMs}`,
      resolve: ({ largest }) => largest[0]?.lockMs ?? null,
    }),
  }),
});

/** What a statement will meet in one tenant. */
export interface TenantImpact {
  readonly impact: Impact;
  readonly found: TenantTable;
}

/** The GraphQL type of what a statement will meet in one tenant. */
export const TenantImpactRef = builder.objectRef<TenantImpact>('TenantImpact').implement({
  description: 'What a dangerous statement will meet in this tenant.',
  fields: (t) => ({
    migration: t.string({ resolve: ({ impact }) => impact.warning.migration }),
    rule: t.string({ resolve: ({ impact }) => impact.warning.rule }),
    table: t.string({ resolve: ({ impact }) => impact.table }),
    rows: t.float({ description: 'An estimate for large tables.', resolve: ({ found }) => found.rows }),
    bytes: t.float({ description: bytes, resolve: ({ found }) => found.bytes }),
    lockMs: t.float({ nullable: true, description: lockMs, resolve: ({ found }) => found.lockMs }),
  }),
});

/** The number of findings that are shown by default. */
const SHOWN = 20;

/** The argument of lists of findings. */
export const firstImpacts = builder.args((t) => ({
  first: t.int({ defaultValue: SHOWN, description: `From 1 to ${MAX_PAGE}.` }),
}));

/** What the statements of a plan will meet in one tenant; null if the plan does not say. */
export function impactsIn(
  impacts: readonly Impact[] | undefined,
  tenant: KnownTenant,
  page: { readonly first?: number | null | undefined },
): readonly TenantImpact[] | null {
  if (!impacts) return null;
  const inTenant = impacts.flatMap((impact) => {
    const found = impact.byTenant.get(tenant);
    return found ? [{ impact, found }] : [];
  });
  return inTenant.slice(0, pageSize(page));
}
