import type pg from 'pg';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';
import { findOpenDatabases } from '../common-databases.ts';
import { mayForbidFunctions } from '../revoke-functions.ts';

/** Something that the admin's role may not do, and what to do about it. */
export interface MissingRight {
  readonly message: string;
  readonly remedy: string;
}

/** What {@link findOptionalRights} needs. */
export interface RightsOptions {
  /** The server as messages name it, such as ` on the server eu`; empty for the first one. */
  readonly where: string;
  /** How long migrations wait for locks, in milliseconds. */
  readonly lockTimeoutMs: number;
}

/**
 * Finds what a superuser could do and the admin may not. Tenants are served without it, but are less protected from each other.
 * @see https://www.postgresql.org/docs/current/predefined-roles.html
 * @see https://www.postgresql.org/docs/current/sql-grant.html
 */
export async function findOptionalRights(
  admin: pg.Client,
  { where, lockTimeoutMs }: RightsOptions,
): Promise<readonly MissingRight[]> {
  const found: MissingRight[] = [];
  for (const { name } of await findOpenDatabases(admin)) {
    found.push({
      message: `Every role may connect to the database ${name}${where}, including tenants' roles`,
      remedy: `Its owner can run: REVOKE CONNECT ON DATABASE ${quoteIdentifier(name)} FROM PUBLIC, after granting CONNECT to the roles that need it`,
    });
  }
  const { role, limitsFiles, givesWay, seesSessions } = await readRights(admin, lockTimeoutMs);
  const user = quoteIdentifier(role);
  if (!limitsFiles) {
    found.push({
      message: `The temporary files of tenants' sessions${where} have no limit`,
      remedy: `A superuser can run: GRANT SET ON PARAMETER temp_file_limit TO ${user}; then tenantry doctor --fix sets the limit`,
    });
  }
  if (!(await mayForbidFunctions(admin))) {
    found.push({
      message: `Tenants' SQL${where} may call functions that block other tenants or show their activity`,
      remedy: 'Only a superuser can revoke them',
    });
  }
  if (!givesWay) {
    found.push({
      message: `In a deadlock of a migration with a request${where}, PostgreSQL may abort the request`,
      remedy: `A superuser can run, so that the migration gives way: GRANT SET ON PARAMETER deadlock_timeout TO ${user}`,
    });
  }
  if (!seesSessions) {
    found.push({
      message: `The role ${role}${where} may not see how far replicas are behind, so backfills do not wait for them, and doctor does not find idle sessions of other roles that hold locks`,
      remedy: `A superuser can run: GRANT pg_read_all_stats TO ${user}`,
    });
  }
  return found;
}

interface Rights {
  readonly role: string;
  readonly limitsFiles: boolean;
  readonly givesWay: boolean;
  readonly seesSessions: boolean;
}

async function readRights(admin: pg.Client, lockTimeoutMs: number): Promise<Rights> {
  const { rows } = await admin.query<Rights>(
    // A migration whose lock timeout is longer does not give way, whatever its role may do.
    `SELECT current_user AS role, has_parameter_privilege('temp_file_limit', 'SET') AS "limitsFiles",
       has_parameter_privilege('deadlock_timeout', 'SET')
         OR current_setting('deadlock_timeout')::interval < $1::float8 * interval '1 millisecond' AS "givesWay",
       pg_has_role('pg_read_all_stats', 'USAGE') AS "seesSessions"`,
    [lockTimeoutMs],
  );
  const [rights] = rows;
  if (!rights) throw new Error('PostgreSQL returned nothing about its roles');
  return rights;
}
