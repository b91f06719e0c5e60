import type pg from 'pg';
import type { PostgresServer } from '../postgres/server.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';

/** A database has the name of one of ours but belongs to somebody else, perhaps to another installation. */
export class ForeignDatabaseError extends Error {
  override readonly name = 'ForeignDatabaseError';
}

/**
 * Checks that a database is ours or may become ours. It is ours if our role has a grant on it, which we give when we create it.
 * It may become ours if it does not exist or has no tables.
 * @param setting the setting that changes its name
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
    `The database ${database} has tables but does not belong to this installation, so it is not changed. Choose another name with ${setting}. If it was restored from a backup of this installation, first run GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(role)}.`,
  );
}

/** Tables of extensions do not count. */
async function hasNoTables(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
     LIMIT 1`,
  );
  return rowCount === 0;
}
