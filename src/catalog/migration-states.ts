import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { AppliedMigration } from './entities/migration-state.entity.ts';

/** A tenant's migrations, read under its migration lock. */
export interface ObservedState {
  /** In the order of application. */
  readonly applied: readonly AppliedMigration[];
  /** When they were read, by the clock of the tenant's server: a PostgreSQL timestamp with microseconds. */
  readonly observedAt: string;
}

/** SQL for the current {@link ObservedState.observedAt}. */
export const observedAtSql = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Returns the id of a list of migrations. The order of application matters, because undoing a run depends on it. */
function migrationStateId(applied: readonly AppliedMigration[]): string {
  const lines = applied.map(({ name, hash }) => `${name} ${hash}`);
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/**
 * SQL that inserts the row of a list of migrations if it is missing.
 * @param from the number of the first of three parameters, which are its {@link migrationStateRow}
 */
export function saveMigrationStateFrom(from: number): string {
  return `INSERT INTO migration_states (id, applied, version) VALUES ($${from}, $${from + 1}, $${from + 2}) ON CONFLICT (id) DO NOTHING`;
}

/** SQL that inserts the row of a list of migrations if it is missing; $1 to $3 are its {@link migrationStateRow}. */
export const saveMigrationStateSql = saveMigrationStateFrom(1);

/**
 * Returns the row of a list of migrations: its id, the list as JSON and the newest migration.
 * @param applied in the order of application
 */
export function migrationStateRow(applied: readonly AppliedMigration[]): [string, string, string | undefined] {
  const newest = applied
    .map(({ name }) => name)
    .sort()
    .at(-1);
  return [migrationStateId(applied), JSON.stringify(applied), newest];
}

/**
 * Inserts the row of a list of migrations if it is missing, and returns its id.
 * @param applied in the order of application
 */
async function saveMigrationState(client: pg.Client, applied: readonly AppliedMigration[]): Promise<string> {
  const row = migrationStateRow(applied);
  await client.query(saveMigrationStateSql, row);
  return row[0];
}

/**
 * Stores the observed migrations of tenants. Workers may report in any order, so observations older than the stored one are
 * ignored.
 * @param client a connection to `auth`, in a transaction
 */
export async function storeMigrationStates(
  client: pg.Client,
  found: readonly (ObservedState & { readonly tenantId: string })[],
): Promise<void> {
  if (found.length === 0) return;
  // Rows are locked in one order, so that concurrent reports cannot deadlock.
  await client.query('SELECT FROM tenants WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE', [
    found.map(({ tenantId }) => tenantId),
  ]);
  // A fleet has few distinct states, so each is saved once instead of once for each tenant.
  for (const group of Map.groupBy(found, ({ applied }) => migrationStateId(applied)).values()) {
    const [first] = group;
    if (!first) continue;
    const id = await saveMigrationState(client, first.applied);
    await client.query(
      `UPDATE tenants t SET migration_state = $1, migration_state_seen_at = f.seen_at
       FROM unnest($2::uuid[], $3::timestamptz[]) AS f (id, seen_at)
       WHERE t.id = f.id AND (t.migration_state_seen_at IS NULL OR t.migration_state_seen_at <= f.seen_at)`,
      [id, group.map(({ tenantId }) => tenantId), group.map(({ observedAt }) => observedAt)],
    );
  }
}
