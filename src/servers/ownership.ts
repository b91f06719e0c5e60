import type pg from 'pg';
import type { PostgresServer } from '../postgres/server.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';

/** A database that has the name of one of ours but is somebody else's, perhaps another installation's. */
export class ForeignDatabaseError extends Error {
  override readonly name = 'ForeignDatabaseError';
}

/**
 * Makes sure that a database is ours, or may become ours. It is ours if our role was once let in, as it is when we make it;
 * one that is not there, or that nobody has put a table in, may become ours.
 * @param setting what its name can be changed with
 * @throws {ForeignDatabaseError} if it is neither
 */
export async function assertOurs(
  server: PostgresServer,
  admin: pg.Client,
  setting: string,
  database: string,
  role: string,
): Promise<void> {
  const { rows } = await admin.query<{ ours: boolean }>(
    `SELECT EXISTS (SELECT FROM aclexplode(datacl) JOIN pg_roles r ON r.oid = grantee WHERE rolname = $2) AS ours
     FROM pg_database WHERE datname = $1`,
    [database, role],
  );
  if (!rows[0] || rows[0].ours || (await server.owner(database, hasNoTables))) return;
  throw new ForeignDatabaseError(
    `The database ${database} has tables and is not this installation's, so it is left alone. Choose another name with ${setting}. If it is a backup of this installation's that was restored, first GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(role)}.`,
  );
}

/** What extensions have made does not count. */
async function hasNoTables(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
     LIMIT 1`,
  );
  return rowCount === 0;
}
