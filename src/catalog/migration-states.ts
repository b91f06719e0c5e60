import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { AppliedMigration } from './entities/migration-state.entity.ts';

/** What a tenant has, as it was found under the lock of its migrations. */
export interface ObservedState {
  /** In the order of application. */
  readonly applied: readonly AppliedMigration[];
  /** When it was found, by the clock of the tenant's server: a timestamp as PostgreSQL reads it, to the microsecond. */
  readonly observedAt: string;
}

/** SQL of {@link ObservedState.observedAt} for now. */
export const observedAtSql = `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** The id of what a tenant has; the order of application is part of it, since undoing a run goes by that. */
function migrationStateId(applied: readonly AppliedMigration[]): string {
  const lines = applied.map(({ name, hash }) => `${name} ${hash}`);
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/** SQL that makes sure that a list of migrations has a row; $1 to $3 are its {@link migrationStateRow}. */
export const saveMigrationStateSql =
  'INSERT INTO migration_states (id, applied, version) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING';

/**
 * The row of a list of migrations: its id, the list as JSON, and the newest of them.
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
 * Makes sure that a list of migrations has a row, and gives its id.
 * @param applied in the order of application
 */
async function saveMigrationState(client: pg.Client, applied: readonly AppliedMigration[]): Promise<string> {
  const row = migrationStateRow(applied);
  await client.query(saveMigrationStateSql, row);
  return row[0];
}

/**
 * Writes down what tenants have been found to have. Two who migrate a tenant one after the other may tell of it in any order:
 * what was found before what the catalog knows is passed over, so that the catalog cannot fall behind the tenant.
 * @param client a connection to `auth`, in a transaction
 */
export async function storeMigrationStates(
  client: pg.Client,
  found: readonly (ObservedState & { readonly tenantId: string })[],
): Promise<void> {
  if (found.length === 0) return;
  // In one order, so that two who tell of the same tenants cannot wait for each other.
  await client.query('SELECT FROM tenants WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE', [
    found.map(({ tenantId }) => tenantId),
  ]);
  // A fleet has few states, so that each is saved once and not once for each tenant.
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
