import type pg from 'pg';
import { migrationStateRow, type ObservedState, saveMigrationStateFrom } from './migration-states.ts';

/** What a database that holds tenants has of the migrations of `common`. */
export interface CommonState extends ObservedState {
  readonly server: string;
  readonly database: string;
}

/**
 * Stores what databases have of `common`. An observation that is older than the stored one is ignored.
 * @param client a connection to `auth`, in a transaction
 */
export async function storeCommonStates(client: pg.Client, found: readonly CommonState[]): Promise<void> {
  // In one order, so that two who report the same databases cannot wait for each other.
  const sorted = found.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  for (const state of sorted) await client.query(`WITH ${storeCommonStateSql(1)} SELECT`, commonStateValues(state));
}

/**
 * SQL that does the same for one database, as queries of a WITH clause.
 * @param from the number of the first parameter; see {@link commonStateValues}
 */
export function storeCommonStateSql(from: number): string {
  const [state, server, database, seenAt] = [from, from + 3, from + 4, from + 5];
  return `common_list AS (${saveMigrationStateFrom(from)}),
    common_state AS (
      INSERT INTO common_states AS c (server, database, migration_state, seen_at)
      VALUES ($${server}, $${database}, $${state}, $${seenAt})
      ON CONFLICT (server, database) DO UPDATE SET migration_state = excluded.migration_state, seen_at = excluded.seen_at
      WHERE c.seen_at <= excluded.seen_at)`;
}

/** The parameters of {@link storeCommonStateSql}, in order. */
export function commonStateValues({ server, database, applied, observedAt }: CommonState): (string | undefined)[] {
  return [...migrationStateRow(applied), server, database, observedAt];
}

/** Forgets what a database has of `common`, when the database is dropped or replaced. The next run looks again. */
export async function forgetCommonState(client: pg.Client, server: string, database: string): Promise<void> {
  await client.query('DELETE FROM common_states WHERE server = $1 AND database = $2', [server, database]);
}

function keyOf({ server, database }: CommonState): string {
  return `${server} ${database}`;
}
