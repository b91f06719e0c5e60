import type pg from 'pg';
import type { MigrationFile } from '../../migrator/files/migration-file.ts';
import { behindOf, type KnownState } from '../tenant-states.ts';

/** What one list of applied migrations means to this code. */
export interface StateSummary {
  /** The id of the migration state. */
  readonly id: string;
  /** The last migration by name; null if none is applied. */
  readonly version: string | null;
  /** How many of the code's migrations are missing. */
  readonly behind: number;
}

/**
 * Summarizes the migration states that tenants are in. A state never changes, so its list of migrations, which may be long, is
 * read once.
 */
export class StateSummaries {
  #summaries = new Map<string, StateSummary>();
  /** The migrations of the code that the summaries are about. */
  #code = '';

  /** Returns the states in use, by id. */
  async inUse(client: pg.Client, files: readonly MigrationFile[]): Promise<ReadonlyMap<string, StateSummary>> {
    const code = files.map(({ name }) => name).join('\n');
    const previous = code === this.#code ? this.#summaries : new Map<string, StateSummary>();
    const used = await client.query<{ id: string }>(
      'SELECT id FROM migration_states s WHERE EXISTS (SELECT FROM tenants WHERE migration_state = s.id)',
    );
    const ids = used.rows.map(({ id }) => id);
    const added = await readStates(
      client,
      ids.filter((id) => !previous.has(id)),
    );
    const found = [
      ...ids.flatMap((id) => previous.get(id) ?? []),
      ...added.map(({ id, version, applied }) => ({ id, version, behind: behindOf(applied, files) })),
    ];
    const summaries = new Map(found.map((summary) => [summary.id, summary]));
    this.#summaries = summaries;
    this.#code = code;
    return summaries;
  }
}

async function readStates(client: pg.Client, ids: readonly string[]): Promise<readonly KnownState[]> {
  if (ids.length === 0) return [];
  const { rows } = await client.query<KnownState>(
    'SELECT id, applied, version FROM migration_states WHERE id = ANY ($1)',
    [ids],
  );
  return rows;
}
