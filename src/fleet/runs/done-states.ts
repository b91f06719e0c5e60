import type pg from 'pg';
import type { RunOptions } from '../../catalog/entities/migration-run.entity.ts';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import type { TenantFiles } from '../../migrator/files/migration-folders.ts';
import { planDown, planUp } from '../../migrator/files/plan.ts';
import { type KnownState, readStates } from '../tenant-states.ts';

/** The states in which a run has nothing to do, by their ids, so that it needn't connect to those tenants. */
export interface DoneStates {
  /** Those of tenants. */
  readonly tenant: readonly string[];
  /** Those of databases, for the migrations of `common`; null if the run leaves them alone. */
  readonly common: readonly string[] | null;
}

/** Reads which states a run with these options leaves as they are, according to the catalog. */
export async function readDoneStates(
  client: pg.Client,
  { tenant, common }: TenantFiles,
  { verify, ...target }: Pick<RunOptions, 'to' | 'down' | 'verify'>,
): Promise<DoneStates> {
  const states = await readStates(client);
  const idsWhere = (isDone: (state: KnownState) => boolean) => states.filter(isDone).map(({ id }) => id);
  return {
    tenant: verify ? [] : idsWhere((state) => isDone(tenant, state, target)),
    common: target.down || common.length === 0 ? null : idsWhere((state) => isDone(common, state, {})),
  };
}

/**
 * Returns the SQL condition that a run has nothing to do for a tenant.
 * @param of the aliases of `tenants` and of `common_states`, and the parameters that hold {@link DoneStates}
 */
export function isDoneInSql(of: {
  readonly tenants: string;
  readonly commonStates: string;
  readonly tenant: string;
  readonly common: string;
}): string {
  return `(coalesce(${of.tenants}.migration_state = ANY (${of.tenant}::text[]), false)
    AND (${of.common}::text[] IS NULL OR coalesce(${of.commonStates}.migration_state = ANY (${of.common}), false)))`;
}

function isDone(
  files: readonly MigrationFile[],
  { applied }: KnownState,
  { to, down }: Pick<RunOptions, 'to' | 'down'>,
): boolean {
  // Only the tenant's own history knows what a run applied to it, and in which order.
  if (down && down.kind !== 'to') return false;
  const history = applied.map((migration) => ({ ...migration, run: null }));
  const plan = down ? planDown(files, history, down) : planUp(files, applied, to);
  return plan.kind === 'steps' && plan.steps.length === 0;
}
