import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { AppliedMigration } from './migration-state.entity.ts';

/** The id of what a tenant has; the order of application is part of it, since undoing a run goes by that. */
export function migrationStateId(applied: readonly AppliedMigration[]): string {
  const lines = applied.map(({ name, hash }) => `${name} ${hash}`);
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/**
 * Makes sure that a list of migrations has a row, and gives its id.
 * @param applied in the order of application
 */
export async function saveMigrationState(client: pg.Client, applied: readonly AppliedMigration[]): Promise<string> {
  const id = migrationStateId(applied);
  const newest = applied
    .map(({ name }) => name)
    .sort()
    .at(-1);
  await client.query(
    'INSERT INTO migration_states (id, applied, version) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING',
    [id, JSON.stringify(applied), newest],
  );
  return id;
}
