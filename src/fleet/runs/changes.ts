import type pg from 'pg';

/** What a run did with one migration. */
export interface RunChange {
  readonly migration: string;
  /** How many tenants it was applied to, or reverted in. */
  readonly tenants: number;
}

/** The maximum number of migrations that are listed for a run. */
export const MAX_CHANGES = 100;

/** Reads what runs have changed so far, in the order of migrations. */
export async function readChanges(client: pg.Client, runs: readonly string[]): Promise<readonly RunChange[][]> {
  const { rows } = await client.query<RunChange & { run: string }>(
    `SELECT run_id AS run, migration, count(*)::integer AS tenants
     FROM migration_run_items, unnest(applied) AS migration
     WHERE run_id = ANY ($1) AND status = 'SUCCEEDED' GROUP BY run_id, migration ORDER BY migration`,
    [runs],
  );
  return runs.map((id) => rows.filter(({ run }) => run === id).slice(0, MAX_CHANGES));
}
