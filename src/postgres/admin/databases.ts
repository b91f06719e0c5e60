import type pg from 'pg';
import { sqlState, sqlStateOf } from '../sql/error-codes.ts';
import { quoteIdentifier } from '../sql/quote.ts';

/** Makes an empty database; one of this name that is there already is left as it is, and false returned. */
export async function createDatabase(admin: pg.Client, name: string): Promise<boolean> {
  return unlessDuplicate(() =>
    admin.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0 ENCODING 'UTF8'`),
  );
}

/**
 * Copies a database, with its tables' rights but not its own. One of this name that is there already is left, and false returned.
 *
 * WAL_LOG (PostgreSQL 15 and newer) copies a small template in less time than FILE_COPY and forces no checkpoint on the
 * whole server.
 * @throws {pg.DatabaseError} 55006 if anyone is connected to the template, 3D000 if it is gone
 * @see https://www.postgresql.org/docs/current/sql-createdatabase.html
 */
export async function cloneDatabase(admin: pg.Client, name: string, template: string): Promise<boolean> {
  return unlessDuplicate(() =>
    admin.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${quoteIdentifier(template)} STRATEGY WAL_LOG`),
  );
}

/**
 * Drops a database and everyone's connections to it; nothing happens if there is none.
 * @throws {pg.DatabaseError} 55006 if someone is connected whom the admin's role may not send away, see {@link joinRoleSql}
 */
export async function dropDatabase(admin: pg.Client, name: string): Promise<void> {
  const drop = `DROP DATABASE IF EXISTS ${quoteIdentifier(name)}`;
  try {
    await admin.query(`${drop} WITH (FORCE)`);
  } catch (error) {
    if (sqlStateOf(error) !== sqlState.insufficientPrivilege) throw error;
    // Only a superuser may end autovacuum; without force, PostgreSQL itself sends it away.
    await admin.query(drop);
  }
}

/** Whether a database of this name exists. */
export async function databaseExists(admin: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  return rowCount === 1;
}

/** Whether a role is connected to a database. Autovacuum, which is none, does not count: PostgreSQL sends it away when it is in the way. */
export async function isInUse(admin: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await admin.query(
    `SELECT FROM pg_stat_activity WHERE datname = $1 AND usesysid IS NOT NULL LIMIT 1`,
    [name],
  );
  return rowCount === 1;
}

async function unlessDuplicate(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create();
    return true;
  } catch (error) {
    // Two creations of one name at once: the second meets the first one's row in pg_database (23505) or the name (42P04).
    const state = sqlStateOf(error);
    if (state === sqlState.duplicateDatabase || state === sqlState.uniqueViolation) return false;
    throw error;
  }
}
