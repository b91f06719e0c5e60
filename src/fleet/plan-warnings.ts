import type { KnownTenant } from '../catalog/tenant-directory.ts';
import { lintBatch, type MigrationWarning } from '../migrator/lint/lint.ts';
import type { FleetPlan } from './plan.ts';
import { groupBySteps } from './psql-script.ts';

/** A warning, and the tenants that lack its migration. */
export interface ConcernedTenants {
  readonly warning: MigrationWarning;
  /** Whether the migration is one of the schema `common` of their databases. */
  readonly isCommon: boolean;
  readonly tenants: readonly KnownTenant[];
}

/**
 * What the pending migrations can do to tables with rows. A tenant that lacks several migrations gets them in one batch, so
 * a warning is reported if it applies to at least one tenant.
 */
export function planWarnings(plan: Pick<FleetPlan, 'tenants'>): readonly MigrationWarning[] {
  return warningsWithTenants(plan).map(({ warning }) => warning);
}

/** The same, with the tenants to which each warning applies. */
export function warningsWithTenants({ tenants: plans }: Pick<FleetPlan, 'tenants'>): readonly ConcernedTenants[] {
  const found = new Map<string, ConcernedTenants & { tenants: KnownTenant[] }>();
  for (const { common, steps, tenants } of groupBySteps(plans)) {
    const add = (isCommon: boolean) => (warning: MigrationWarning) => {
      const key = identityOf(warning);
      const concerned = found.get(key) ?? { warning, isCommon, tenants: [] };
      concerned.tenants.push(...tenants);
      found.set(key, concerned);
    };
    lintBatch(common).forEach(add(true));
    lintBatch(steps).forEach(add(false));
  }
  return [...found.values()];
}

function identityOf({ migration, rule, line, statement, message }: MigrationWarning): string {
  return JSON.stringify([migration, rule, line, statement, message]);
}
