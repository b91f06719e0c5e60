import { lintBatch, type MigrationWarning } from '../migrator/lint/lint.ts';
import type { FleetPlan } from './plan.ts';
import { groupBySteps } from './psql-script.ts';

/**
 * What the pending migrations can do to tables with rows. A tenant that lacks several migrations gets them in one batch, so
 * a warning is reported if it applies to at least one tenant.
 */
export function planWarnings({ tenants }: Pick<FleetPlan, 'tenants'>): readonly MigrationWarning[] {
  const found = groupBySteps(tenants).flatMap(({ common, steps }) => [...lintBatch(common), ...lintBatch(steps)]);
  return [...new Map(found.map((warning) => [identityOf(warning), warning])).values()];
}

function identityOf({ migration, rule, line, statement, message }: MigrationWarning): string {
  return JSON.stringify([migration, rule, line, statement, message]);
}
