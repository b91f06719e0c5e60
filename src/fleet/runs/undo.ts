import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import type { AppliedMigration } from '../../catalog/entities/migration-state.entity.ts';
import { hasEnded } from '../../catalog/run-status.ts';
import { AppError } from '../../lib/errors.ts';
import { shortList } from '../../lib/short-list.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import type { TenantFiles } from '../../migrator/files/migration-folders.ts';
import { planDown, type Refusal } from '../../migrator/files/plan.ts';
import { recordsDropped } from './records-dropped.ts';
import { NAMED, startRun } from './start.ts';

interface ChangedTenant {
  readonly id: string;
  readonly slug: string;
  /** The tenant's own migrations that the run applied, without those that other runs applied again after a revert. */
  readonly names: readonly string[];
  /** The tenant's current migrations according to the catalog, in order of application. */
  readonly has: readonly AppliedMigration[] | null;
}

/**
 * Starts a run that reverts what another run applied to its tenants and they still have. For each tenant, these are the
 * applied migrations that the history of its database attributes to that run, the last one first.
 *
 * It is refused for all tenants if, in any of them, another migration was applied after the run's first one, a file has
 * changed or is missing, or a migration has no `down()`. `planDown` (`migrator/files/plan.ts`) decides that: here before
 * anything is changed, and again for each tenant under its lock.
 *
 * What the run applied to `common` stays, because tenants that other runs have migrated may use it. A warning of the new
 * run names it.
 * @returns the new run's id
 * @throws {AppError} NOT_FOUND; CONFLICT if the run is in progress, is itself one that reverts, applied nothing to tenants or is already undone;
 *   CONFLICT, IRREVERSIBLE, MIGRATION_CHANGED or MIGRATION_UNKNOWN, naming the tenants with the first reason.
 *   Nothing is changed then.
 */
export async function undoRun(
  catalog: Catalog,
  files: TenantFiles,
  parent: string,
  concurrency: number,
): Promise<string> {
  const run = await catalog.fork().findOne(MigrationRun, { id: parent });
  if (!run) throw new AppError('NOT_FOUND', `There is no migration run ${parent}`);
  if (!hasEnded(run.status))
    throw new AppError('CONFLICT', `The run is ${run.status}. Cancel it or wait until it ends.`);
  if (run.itemsDroppedAt) throw recordsDropped(run.itemsDroppedAt, 'undone');
  if (run.kind !== 'UP') {
    throw new AppError(
      'CONFLICT',
      'This run reverted migrations. Use `tenantry migrate up` or the mutation runMigrations to apply them again.',
    );
  }
  const changed = await changedTenants(catalog, parent);
  if (run.options.dryRun || changed.length === 0) {
    throw new AppError('CONFLICT', 'This run has applied nothing, so there is nothing to revert');
  }
  const { common, tenantsToo } = await appliedBy(catalog, parent);
  if (common.length > 0 && !tenantsToo) throw onlyCommon(common);
  const tenants = changed.map(withoutReverted).filter(({ names }) => names.length > 0);
  if (tenants.length === 0) throw await undoneAlready(catalog, parent);
  refuse(files.tenant, tenants, parent);
  return startRun(catalog, files, {
    tenants: tenants.map(({ id }) => id),
    down: { kind: 'run', run: parent },
    dryRun: false,
    continueOnError: true,
    concurrency,
    verify: true,
    warnings: common.length === 0 ? [] : [`${inCommon(common)} stay applied: ${whyCommonStays}`],
  });
}

/** What a run applied to databases, according to the fleet's history. */
interface Applied {
  /** The names of migrations of `common`, in order. */
  readonly common: readonly string[];
  /** Whether it applied any of the tenants' own. */
  readonly tenantsToo: boolean;
}

async function appliedBy(catalog: Catalog, run: string): Promise<Applied> {
  const { rows } = await catalog.use((client) =>
    client.query<Applied>(
      `SELECT coalesce(array_agg(DISTINCT name ORDER BY name) FILTER (WHERE scope = 'COMMON'), '{}') AS common,
         coalesce(bool_or(scope = 'TENANT'), false) AS "tenantsToo"
       FROM migration_records WHERE run_id = $1 AND status = 'APPLIED'`,
      [run],
    ),
  );
  return rows[0] ?? { common: [], tenantsToo: false };
}

const whyCommonStays =
  'tenants that other runs have migrated may use what they made. To take it back, write a migration in migrations/common.';

function inCommon(names: readonly string[]): string {
  return `The migrations of common (${shortList(names, NAMED)})`;
}

function onlyCommon(names: readonly string[]): AppError {
  return new AppError(
    'CONFLICT',
    `This run has changed no tenant, only the schema common. ${inCommon(names)} are not reverted: ${whyCommonStays}`,
  );
}

async function changedTenants(catalog: Catalog, run: string): Promise<readonly ChangedTenant[]> {
  const { rows } = await catalog.use((client) =>
    client.query<ChangedTenant>(
      `SELECT t.id, t.slug, s.applied AS has, ARRAY(
         SELECT name FROM (
           SELECT DISTINCT ON (name) name, run_id FROM migration_records
           WHERE tenant_id = t.id AND scope = 'TENANT' AND status = 'APPLIED' AND run_id IS NOT NULL AND name = ANY (i.applied)
           ORDER BY name, id DESC) latest
         WHERE run_id = $1) AS names
       FROM migration_run_items i JOIN tenants t ON t.id = i.tenant_id LEFT JOIN migration_states s ON s.id = t.migration_state
       WHERE i.run_id = $1 AND cardinality(i.applied) > 0 ORDER BY i.position`,
      [run],
    ),
  );
  return rows;
}

/** Leaves out what the tenant no longer has. A tenant whose state is unknown is checked under its lock. */
function withoutReverted(tenant: ChangedTenant): ChangedTenant {
  const { names, has } = tenant;
  return has ? { ...tenant, names: names.filter((name) => has.some((migration) => migration.name === name)) } : tenant;
}

async function undoneAlready(catalog: Catalog, parent: string): Promise<AppError> {
  const where = { parentId: parent, kind: 'UNDO', succeeded: { $gt: 0 } } as const;
  const undo = await catalog.fork().findOne(MigrationRun, where, { orderBy: { createdAt: 'desc' } });
  // Otherwise, a rollback reverted it or a checkpoint was restored.
  const by = undo ? `, by the run ${undo.id}` : '';
  return new AppError(
    'CONFLICT',
    `This run has already been undone${by}. If tenants have its migrations, other runs have applied them since: see \`tenantry migrate history\`.`,
  );
}

/** Checks what the catalog knows in advance. Each tenant is checked again under its lock. */
function refuse(files: readonly MigrationFile[], tenants: readonly ChangedTenant[], run: string): void {
  const refused = new Map<string, { refusal: Refusal; slugs: string[] }>();
  for (const { slug, names, has } of tenants) {
    const applied = (has ?? []).map((migration) => ({
      ...migration,
      run: names.includes(migration.name) ? run : null,
    }));
    const plan = planDown(files, applied, { kind: 'run', run });
    if (plan.kind === 'steps') continue;
    const group = refused.get(plan.message) ?? { refusal: plan, slugs: [] };
    group.slugs.push(slug);
    refused.set(plan.message, group);
  }
  const [first] = refused.values();
  if (!first) return;
  const { refusal, slugs } = first;
  throw new AppError(refusal.code, `${refusal.message} Tenants: ${shortList(slugs, NAMED)}`, {
    details: { tenants: slugs, migration: refusal.migration, ...refusal.hashes },
  });
}
