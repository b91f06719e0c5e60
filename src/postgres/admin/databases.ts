import type pg from 'pg';
import { sqlState, sqlStateOf } from '../sql/error-codes.ts';
import { quoteIdentifier, quoteLiteral } from '../sql/quote.ts';

/** Creates an empty database. Returns false, and changes nothing, if a database of this name exists. */
export async function createDatabase(admin: pg.Client, name: string): Promise<boolean> {
  // Every command looks for the system databases, and PostgreSQL would log an error for each that exists.
  if (await databaseExists(admin, name)) return false;
  return unlessDuplicate(() =>
    admin.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0 ENCODING 'UTF8'`),
  );
}

/**
 * Copies a database, including the privileges on its tables but not those on the database. Returns false, and changes
 * nothing, if a database of this name exists.
 *
 * WAL_LOG (PostgreSQL 15 and newer) copies a small template faster than FILE_COPY and forces no checkpoint of the server.
 * @param isClosed whether nobody can connect to the copy until connections are allowed
 * @throws {pg.DatabaseError} 55006 if a session is connected to the template, 3D000 if the template does not exist
 * @see https://www.postgresql.org/docs/current/sql-createdatabase.html
 */
export async function cloneDatabase(
  admin: pg.Client,
  name: string,
  template: string,
  { isClosed = false }: { readonly isClosed?: boolean } = {},
): Promise<boolean> {
  const create = `CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${quoteIdentifier(template)} STRATEGY WAL_LOG`;
  return unlessDuplicate(() => admin.query(isClosed ? `${create} ALLOW_CONNECTIONS false` : create));
}

/**
 * Drops a database and terminates all connections to it. Does nothing if it does not exist.
 * @throws {pg.DatabaseError} 55006 if a connection remains that the admin may not terminate, see `joinRoleSql`
 */
export async function dropDatabase(admin: pg.Client, name: string): Promise<void> {
  const drop = `DROP DATABASE IF EXISTS ${quoteIdentifier(name)}`;
  try {
    await admin.query(`${drop} WITH (FORCE)`);
  } catch (error) {
    if (sqlStateOf(error) !== sqlState.insufficientPrivilege) throw error;
    // Only a superuser may terminate autovacuum. Without FORCE, PostgreSQL itself cancels it.
    await admin.query(drop);
  }
}

/** Whether a database of this name exists. */
export async function databaseExists(admin: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  return rowCount === 1;
}

/** Whether a role is connected to a database; see {@link sessionInSql}. */
export async function isInUse(admin: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await admin.query(sessionInSql(name));
  return rowCount === 1;
}

/**
 * SQL that returns a row if a role is connected to a database. Autovacuum does not count, because PostgreSQL cancels it when
 * necessary.
 */
export function sessionInSql(database: string): string {
  return `SELECT FROM pg_stat_activity WHERE datname = ${quoteLiteral(database)} AND usesysid IS NOT NULL LIMIT 1`;
}

async function unlessDuplicate(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create();
    return true;
  } catch (error) {
    // If two sessions create the same name, the second fails on the row in pg_database (23505) or on the name (42P04).
    const state = sqlStateOf(error);
    if (state === sqlState.duplicateDatabase || state === sqlState.uniqueViolation) return false;
    throw error;
  }
}
