import type pg from 'pg';
import type { AppliedMigration } from '../catalog/entities/migration-state.entity.ts';
import { fleetStatuses } from '../catalog/tenant-status.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { type Plan, planUp } from '../migrator/files/plan.ts';
import { type KnownState, readStates } from './tenant-states.ts';

/** Databases that hold tenants, and how many of them lack migrations of `common`. */
export interface CommonStatus {
  /** The newest migration of `common` in the code; null if there is none. */
  readonly newest: string | null;
  readonly databases: number;
  readonly behind: number;
}

/** A database of a server. */
export type DatabasePlace = Readonly<Record<'server' | 'database', string>>;

/** What the catalog knows of `common` in the databases that hold tenants. It connects to none of them. */
export class KnownCommon {
  readonly #places: readonly DatabasePlace[];
  /** The same list for all databases in the same state. */
  readonly #applied: ReadonlyMap<string, readonly AppliedMigration[]>;
  readonly #plans = new Map<readonly AppliedMigration[], Plan>();

  private constructor(places: readonly (DatabasePlace & { readonly state: string })[], states: readonly KnownState[]) {
    const byId = new Map(states.map(({ id, applied }) => [id, applied]));
    this.#places = places.map(({ server, database }) => ({ server, database }));
    this.#applied = new Map(places.map((place) => [keyOf(place), byId.get(place.state) ?? []]));
  }

  /** @param client a connection to `auth` */
  static async read(client: pg.Client): Promise<KnownCommon> {
    const { rows } = await client.query<DatabasePlace & { state: string }>(
      'SELECT server, database, migration_state AS state FROM common_states',
    );
    return new KnownCommon(rows, await readStates(client));
  }

  /** The databases that something is known of. */
  places(): readonly DatabasePlace[] {
    return [...this.#places];
  }

  /** The migrations that a database has; empty if that is unknown. */
  of(place: DatabasePlace): readonly AppliedMigration[] {
    return this.#applied.get(keyOf(place)) ?? [];
  }

  /**
   * What a run would apply to a database before its tenants are migrated.
   * @param files those of the code, the same in each call
   */
  plan(files: readonly MigrationFile[], place: DatabasePlace): Plan {
    if (files.length === 0) return { kind: 'steps', steps: [], warnings: [] };
    const applied = this.of(place);
    const plan = this.#plans.get(applied) ?? planUp(files, applied);
    this.#plans.set(applied, plan);
    return plan;
  }
}

/**
 * Counts the databases that lack migrations of `common`.
 * @param client a connection to `auth`
 */
export async function readCommonStatus(client: pg.Client, files: readonly MigrationFile[]): Promise<CommonStatus> {
  const { rows } = await client.query<{ applied: readonly AppliedMigration[] | null; databases: number }>(
    `SELECT s.applied, p.databases FROM (
       SELECT c.migration_state, count(*)::int AS databases
       FROM (SELECT DISTINCT server, database FROM tenants WHERE status = ANY ($1)) d
         LEFT JOIN common_states c USING (server, database) GROUP BY c.migration_state) p
     LEFT JOIN migration_states s ON s.id = p.migration_state`,
    [fleetStatuses],
  );
  const inCode = new Set(files.map(({ name }) => name));
  const lacksSome = (applied: readonly AppliedMigration[]) => {
    const has = new Set(applied.map(({ name }) => name));
    // A database with migrations that the code lacks is not behind it: newer code is in charge of it.
    return files.some(({ name }) => !has.has(name)) && [...has].every((name) => inCode.has(name));
  };
  const count = (some: typeof rows) => some.reduce((sum, { databases }) => sum + databases, 0);
  const behind = rows.filter(({ applied }) => lacksSome(applied ?? []));
  return { newest: files.at(-1)?.name ?? null, databases: count(rows), behind: count(behind) };
}

function keyOf({ server, database }: DatabasePlace): string {
  return `${server} ${database}`;
}
