import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { RunOptions } from '../catalog/entities/migration-run.entity.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import type { MigrationFile } from '../migrator/files/migration-files.ts';
import { type Plan, planDown, planUp } from '../migrator/files/plan.ts';

/** A set of migrations that tenants have, as the catalog knows it. */
export interface KnownState {
  readonly id: string;
  readonly applied: readonly AppliedMigration[];
  readonly version: string | null;
}

/** The sets of migrations that tenants have or had: as few as there are versions, however large the fleet. */
export async function readStates(client: pg.Client): Promise<readonly KnownState[]> {
  const { rows } = await client.query<KnownState>('SELECT id, applied, version FROM migration_states');
  return rows;
}

/** Those that some tenant is in now: a state stays in the catalog when the last tenant has left it. */
export async function readStatesInUse(client: pg.Client): Promise<readonly KnownState[]> {
  const { rows } = await client.query<KnownState>(
    'SELECT id, applied, version FROM migration_states WHERE id IN (SELECT migration_state FROM tenants)',
  );
  return rows;
}

/** The states in which a run has nothing to do, so that tenants in them need not be connected to. */
export async function doneStateIds(
  client: pg.Client,
  files: readonly MigrationFile[],
  { to, down }: Pick<RunOptions, 'to' | 'down'>,
): Promise<string[]> {
  // What a run applied to a tenant, and in which order, only the tenant itself knows.
  if (down && down.kind !== 'to') return [];
  const planOf = ({ applied }: KnownState) =>
    down
      ? planDown(
          files,
          applied.map((migration) => ({ ...migration, run: null })),
          down,
        )
      : planUp(files, applied, to);
  const isDone = (plan: Plan) => plan.kind === 'steps' && plan.steps.length === 0;
  return (await readStates(client)).filter((state) => isDone(planOf(state))).map(({ id }) => id);
}

/** How many migrations the code has that a database in each state has not. */
export async function behindByState(
  catalog: Catalog,
  files: readonly MigrationFile[],
): Promise<ReadonlyMap<string, number>> {
  const states = await catalog.use(readStates);
  return new Map(
    states.map(({ id, applied }) => {
      const has = new Set(applied.map(({ name }) => name));
      return [id, files.filter(({ name }) => !has.has(name)).length];
    }),
  );
}
