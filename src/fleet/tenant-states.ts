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
 * Counts, for each state, the migrations that the code has and the database lacks. A state with a migration that the
 * code lacks counts as 0: newer code, or another branch, is in charge of such tenants, and no run of this code may
 * migrate them.
 */
export async function behindByState(
  catalog: Catalog,
  files: readonly MigrationFile[],
): Promise<ReadonlyMap<string, number>> {
  const states = await catalog.use(readStates);
  const known = new Set(files.map(({ name }) => name));
  return new Map(
    states.map(({ id, applied }) => {
      const isNewer = applied.some(({ name }) => !known.has(name));
      const has = new Set(applied.map(({ name }) => name));
      return [id, isNewer ? 0 : files.filter(({ name }) => !has.has(name)).length];
    }),
  );
}

/** The states that are not behind, by {@link behindByState}. */
export async function currentStateIds(catalog: Catalog, files: readonly MigrationFile[]): Promise<readonly string[]> {
  return [...(await behindByState(catalog, files))].filter(([, behind]) => behind === 0).map(([id]) => id);
}
