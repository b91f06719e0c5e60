import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';

/** A set of applied migrations that tenants have, according to the catalog. */
export interface KnownState {
  readonly id: string;
  readonly applied: readonly AppliedMigration[];
  readonly version: string | null;
}

/**
 * Reads the sets of migrations that tenants have or had. There are only as many as versions, however large the fleet
 * is.
 */
export async function readStates(client: pg.Client): Promise<readonly KnownState[]> {
  const { rows } = await client.query<KnownState>('SELECT id, applied, version FROM migration_states');
  return rows;
}

/** Reads only the states that a tenant is in now. The catalog keeps a state after its last tenant has left it. */
export async function readStatesInUse(client: pg.Client): Promise<readonly KnownState[]> {
  const { rows } = await client.query<KnownState>(
    'SELECT id, applied, version FROM migration_states WHERE id IN (SELECT migration_state FROM tenants)',
  );
  return rows;
}

/** Reads the sets of migrations of `common` that databases have now. */
export async function readCommonStatesInUse(client: pg.Client): Promise<readonly KnownState[]> {
  const { rows } = await client.query<KnownState>(
    'SELECT id, applied, version FROM migration_states WHERE id IN (SELECT migration_state FROM common_states)',
  );
  return rows;
}

/**
 * Counts the migrations that the code has and a list of applied ones lacks. A list with a migration that the code lacks counts
 * as 0: newer code, or another branch, is in charge of such tenants, and no run of this code may migrate them.
 */
export function behindOf(applied: readonly AppliedMigration[], files: readonly MigrationFile[]): number {
  const known = new Set(files.map(({ name }) => name));
  if (applied.some(({ name }) => !known.has(name))) return 0;
  const has = new Set(applied.map(({ name }) => name));
  return files.filter(({ name }) => !has.has(name)).length;
}

/** Counts, for each state, the migrations that are missing, by {@link behindOf}. */
export async function behindByState(
  catalog: Catalog,
  files: readonly MigrationFile[],
): Promise<ReadonlyMap<string, number>> {
  const states = await catalog.use(readStates);
  return new Map(states.map(({ id, applied }) => [id, behindOf(applied, files)]));
}

/** The states that are behind and those that are not, by {@link behindByState}. */
export async function statesByProgress(
  catalog: Catalog,
  files: readonly MigrationFile[],
): Promise<{ readonly current: readonly string[]; readonly behind: readonly string[] }> {
  const { current = [], behind = [] } = Object.groupBy(await behindByState(catalog, files), ([, missing]) =>
    missing === 0 ? 'current' : 'behind',
  );
  return { current: current.map(([id]) => id), behind: behind.map(([id]) => id) };
}

/** The states with exactly the migrations that the code has. Tables of tenants in other states are expected to differ. */
export async function matchingStateIds(catalog: Catalog, files: readonly MigrationFile[]): Promise<readonly string[]> {
  const states = await catalog.use(readStates);
  const known = new Set(files.map(({ name }) => name));
  const matches = ({ applied }: KnownState) =>
    applied.length === known.size && applied.every(({ name }) => known.has(name));
  return states.filter(matches).map(({ id }) => id);
}
