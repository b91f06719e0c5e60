import type pg from 'pg';
import { sqlState, sqlStateOf } from '../sql/error-codes.ts';
import { quoteIdentifier } from '../sql/quote.ts';
import { cloneDatabase, databaseExists } from './databases.ts';
import { endSessions } from './end-sessions.ts';
import { closeDatabaseSql, joinRoleSql } from './roles.ts';

const TRIES = 3;

/**
 * Disallows connections to a database and ends the existing ones as {@link endSessions}. Does nothing if the database does not exist.
 * @param role the role that may otherwise connect; undefined if only the owner may
 * @param finishMs as for {@link endSessions}
 */
export async function disallowConnections(
  admin: pg.Client,
  name: string,
  role: string | undefined,
  finishMs?: number,
): Promise<void> {
  if (!(await databaseExists(admin, name))) return;
  const database = quoteIdentifier(name);
  const [join, others] = role === undefined ? ['', ''] : [joinRoleSql(role), `, ${quoteIdentifier(role)}`];
  await admin.query(`
    ${join}
    REVOKE ALL ON DATABASE ${database} FROM PUBLIC${others};
    ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS false`);
  const which = `datname = $1 AND backend_type = 'client backend' AND pg_has_role(usesysid, 'MEMBER')`;
  await endSessions(admin, { which, values: [name] }, finishMs);
}

/** Allows connections of the owner and the given roles to a database again. */
export async function allowConnections(admin: pg.Client, name: string, roles: readonly string[]): Promise<void> {
  await admin.query(allowConnectionsSql(name, roles));
}

/** Returns the statements of {@link allowConnections}. */
export function allowConnectionsSql(name: string, roles: readonly string[]): string {
  return `ALTER DATABASE ${quoteIdentifier(name)} WITH ALLOW_CONNECTIONS true; ${closeDatabaseSql(name, roles)}`;
}

/**
 * Copies a database that does not allow connections. The copy does not allow them either.
 * @returns the copy's size, in bytes
 */
export async function copyDatabase(admin: pg.Client, copy: string, original: string, role: string): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      await cloneDatabase(admin, copy, original, { isClosed: true });
      break;
    } catch (error) {
      // A connection that was accepted just before connections were disallowed becomes visible only now.
      if (sqlStateOf(error) !== sqlState.objectInUse || tries === TRIES) throw error;
      await disallowConnections(admin, original, role);
    }
  }
  const { rows } = await admin.query<{ size: string }>('SELECT pg_database_size($1) AS size', [copy]);
  return Number(rows[0]?.size);
}

/** Atomically renames a database to `previous` and its copy to `name`. Neither may allow connections. */
export async function replaceDatabase(admin: pg.Client, name: string, copy: string, previous: string): Promise<void> {
  const rename = (from: string, to: string) =>
    `ALTER DATABASE ${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)};`;
  const old = (await databaseExists(admin, name)) ? rename(name, previous) : '';
  // One message is one transaction.
  await admin.query(`${old} ${rename(copy, name)}`);
}
