import type pg from 'pg';
import { shortList } from '../../lib/short-list.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import type { InstallationRoles } from '../../routing/placement.ts';
import { isTenantRoleSql } from '../role-limits.ts';
import type { MissingRight } from './optional-rights.ts';

/** The number of databases or roles that a message names. */
const NAMED = 3;

/**
 * Finds databases and roles of an installation that the admin may not change, because they are another role's. Only their owner and
 * superusers may change databases. From PostgreSQL 16 on, CREATEROLE is not enough to change roles: the ADMIN option for each is
 * needed, which PostgreSQL gives to the role that makes them.
 * @param databases the system databases
 * @see https://www.postgresql.org/docs/current/role-attributes.html#ROLE-CREATION
 */
export async function findForeignObjects(
  admin: pg.Client,
  server: string,
  databases: readonly string[],
  roles: InstallationRoles,
): Promise<readonly MissingRight[]> {
  const { rows: owned } = await admin.query<OwnedDatabase>(
    `SELECT datname AS name, o.rolname AS owner, o.rolsuper AS "isSuperuser", current_user AS role
     FROM pg_database d JOIN pg_roles o ON o.oid = datdba
     WHERE (datname = ANY ($1) OR ${isTenantDatabaseSql(roles)}) AND NOT pg_has_role(datdba, 'USAGE') ORDER BY datname`,
    [databases],
  );
  const { rows: made } = await admin.query<MadeRole>(
    `SELECT rolname AS name, current_user AS role FROM pg_roles r
     WHERE (rolname = ANY ($1) OR ${isTenantRoleSql(roles)}) AND current_setting('is_superuser') = 'off'
       AND current_setting('server_version_num')::int >= 160000 AND NOT pg_has_role(oid, 'USAGE WITH ADMIN OPTION')
     ORDER BY rolname`,
    [Object.values(roles)],
  );
  return [...databaseProblems(owned, server), ...roleProblems(made, server)];
}

/** Returns SQL that is true if a row of `pg_database` is a database of one of an installation's tenants. */
export function isTenantDatabaseSql({ databaseTenants }: InstallationRoles): string {
  return `(datname ~ '^db_[0-9a-z]{10}$' AND EXISTS (
    SELECT FROM aclexplode(datacl) a JOIN pg_auth_members m ON m.member = a.grantee JOIN pg_roles g ON g.oid = m.roleid
    WHERE g.rolname = ${quoteLiteral(databaseTenants)}))`;
}

interface OwnedDatabase {
  readonly name: string;
  readonly owner: string;
  readonly isSuperuser: boolean;
  /** The admin's. */
  readonly role: string;
}

interface MadeRole {
  readonly name: string;
  /** The admin's. */
  readonly role: string;
}

function databaseProblems(found: readonly OwnedDatabase[], server: string): MissingRight[] {
  const [first] = found;
  if (!first) return [];
  const { owner, isSuperuser, role } = first;
  // A member of a superuser's role would have all of its rights on tables, whatever its own attributes.
  const grant = isSuperuser
    ? ''
    : `, or let a superuser run: GRANT ${quoteIdentifier(owner)} TO ${quoteIdentifier(role)}`;
  return [
    {
      message: `The role ${role} does not own ${count(found, 'database')} of this installation on the server ${server}: ${listed(found)}`,
      remedy: `Connect as the role that owns them, ${owner}${grant}`,
    },
  ];
}

function roleProblems(found: readonly MadeRole[], server: string): MissingRight[] {
  const [first] = found;
  if (!first) return [];
  const { role } = first;
  return [
    {
      message: `The role ${role} may not change ${count(found, 'role')} of this installation on the server ${server}: ${listed(found)}`,
      remedy: `A superuser can run for each: GRANT … TO ${quoteIdentifier(role)} WITH ADMIN OPTION. docs/operators.md has a statement for all`,
    },
  ];
}

function count(found: readonly unknown[], what: string): string {
  return found.length === 1 ? `1 ${what}` : `${found.length} ${what}s`;
}

function listed(found: readonly { readonly name: string }[]): string {
  return shortList(
    found.map(({ name }) => name),
    NAMED,
  );
}
