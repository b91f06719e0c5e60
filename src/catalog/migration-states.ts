import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { AppliedMigration } from './migration-state.entity.ts';

/** The id of a set of migrations, whatever order it comes in. */
export function migrationStateId(applied: readonly AppliedMigration[]): string {
  const lines = applied.map(({ name, hash }) => `${name} ${hash}`).sort();
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/** Makes sure that a set of migrations has a row, and gives its id. */
export async function saveMigrationState(client: pg.Client, applied: readonly AppliedMigration[]): Promise<string> {
  const id = migrationStateId(applied);
  await client.query(
    'INSERT INTO migration_states (id, applied, version) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING',
    [id, JSON.stringify(applied), applied.at(-1)?.name],
  );
  return id;
}
