import { isUnfinishedSql } from '../migrator/files/history.ts';
import { compareNames, isBackfill, type MigrationFile } from '../migrator/files/migration-file.ts';
import { type Part, partsOf, stagesOf } from '../migrator/files/parts.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import type { TenantPlan } from './plan.ts';
import { commonScript } from './psql-common.ts';
import { headScript, stepScript, tenantTarget } from './psql-steps.ts';

/** Several tenants for which the steps are the same. */
export interface StepsGroup {
  readonly steps: readonly MigrationFile[];
  /** The migrations of `common` that come before, once for each database. */
  readonly common: readonly MigrationFile[];
  readonly tenants: readonly TenantPlan['tenant'][];
}

/** Groups the plans that can be carried out by their steps. */
export function groupBySteps(plans: readonly TenantPlan[]): readonly StepsGroup[] {
  const groups = new Map<string, StepsGroup & { tenants: TenantPlan['tenant'][] }>();
  for (const { tenant, plan, common } of plans) {
    if (plan.kind !== 'steps') continue;
    const key = [...common, ...plan.steps].map(({ scope, name }) => `${scope} ${name}`).join('\n');
    const group = groups.get(key) ?? { steps: plan.steps, common, tenants: [] };
    group.tenants.push(tenant);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/**
 * Writes a psql script that does what a run would do to a tenant, when the database's owner runs it in the tenant's
 * database. The script carries out the plan that matches the database's history, or nothing. The catalog is updated at
 * the next run.
 * @param files the code's migrations
 * @see https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-META-COMMANDS
 */
export function sqlScript(
  groups: readonly StepsGroup[],
  files: readonly MigrationFile[],
  roles: InstallationRoles,
): string {
  const plans = groups.map((group, index) => planScript(group, files, roles, `${index + 1} of ${groups.length}`));
  return [`${headScript}\n`, ...plans].join('\n');
}

function planScript(
  { steps, common, tenants }: StepsGroup,
  files: readonly MigrationFile[],
  roles: InstallationRoles,
  number: string,
): string {
  const last = steps.at(-1)?.name ?? '';
  // By name: the files may have been read again since the plan was made.
  const planned = new Set(steps.map(({ name }) => name));
  const before = files.filter(({ name }) => !planned.has(name) && compareNames(name, last) < 0);
  const array = (some: readonly MigrationFile[]) =>
    `ARRAY[${some.map(({ name }) => quoteLiteral(name)).join(', ')}]::text[]`;
  return `-- Plan ${number}, for these tenants:
${tenants.map(({ slug, server, database, schema }) => `--   ${slug}: server ${server}, database ${database}, schema ${schema}`).join('\n')}
SELECT has @> ${array(before)} AND NOT has && ${array(steps)}${notBegun(steps)} AS fits
FROM (SELECT coalesce(array_agg(name), '{}') AS has FROM ${tenantTarget.history} WHERE status = 'APPLIED') h
\\gset
\\if :fits
${commonScript(common, roles)}
${stagesOf(steps)
  .flatMap((stage) => partsOf(stage, onAnyServer))
  .map(partScript)
  .join('\n')}
\\endif
`;
}

/** The script may be for a server of an older version. */
const onAnyServer = { direction: 'up', isSeparate: false, usesNewEnums: false } as const;

/** A run has changed some rows of a backfill that it has begun, and only a run continues behind them. */
function notBegun(steps: readonly MigrationFile[]): string {
  const backfills = steps.filter(isBackfill).map(({ name }) => quoteLiteral(name));
  if (backfills.length === 0) return '';
  return `
  AND NOT EXISTS (SELECT FROM ${tenantTarget.history} h WHERE name IN (${backfills.join(', ')}) AND ${isUnfinishedSql})`;
}

/** Groups steps that may share a transaction, as a run does. Other steps stand alone. */
function partScript({ steps }: Part): string {
  const script = steps.map((step) => stepScript(step, tenantTarget)).join('\n');
  return steps.every(({ transactional }) => transactional) ? `BEGIN;\n${script}\nCOMMIT;` : script;
}
