import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../postgres/sql/quote.ts';

/** PostgreSQL's own databases. By default everyone may connect to them. */
const standard = ['postgres', 'template1'];

/** A database to which every role may connect. */
export interface OpenDatabase {
  readonly name: string;
  /** Whether the current role may change that. */
  readonly isOurs: boolean;
}

/** Finds those of PostgreSQL's own databases, and the current one, to which every role may connect. */
export async function findOpenDatabases(admin: pg.Client): Promise<readonly OpenDatabase[]> {
  const { rows } = await admin.query<OpenDatabase>(
    `SELECT datname AS name, pg_has_role(datdba, 'USAGE') AS "isOurs" FROM pg_database
     WHERE datallowconn AND (datname = ANY ($1) OR datname = current_database()) AND EXISTS (
       SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0 AND privilege_type = 'CONNECT')
     ORDER BY 1`,
    [standard],
  );
  return rows;
}

/**
 * Returns SQL that closes a database to which every role may connect. Tenants' roles and future roles may no longer connect.
 * Other existing roles still may.
 */
export function closeCommonDatabaseSql(database: string): string {
  const name = quoteIdentifier(database);
  return `
    DO $close$ DECLARE role name; BEGIN
      FOR role IN SELECT rolname FROM pg_roles
          WHERE rolcanlogin AND NOT rolsuper AND rolname !~ '^tenant_[0-9a-z]{10}$' LOOP
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', ${quoteLiteral(database)}, role);
      END LOOP;
      REVOKE ALL ON DATABASE ${name} FROM PUBLIC;
    END $close$;`;
}
