import type pg from 'pg';
import { lockKind } from '../postgres/sql/advisory-lock.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';

/** Limits that PostgreSQL enforces on a tenant's role, whatever SQL the tenant sends. */
export interface TenantBounds {
  /** Concurrent connections of all processes together, and of anybody else who knows the role's password. */
  readonly connectionLimit: number;
  /** Temporary files of one connection at once, in megabytes. */
  readonly tempFileMb: number;
}

/** The number of roles that are altered in one transaction. Each takes a lock until the transaction ends. */
const ROLES_AT_ONCE = 100;

/**
 * SQL that is true if the current role may limit temporary files: a superuser, and since PostgreSQL 15 a role with a grant.
 * Tenants' roles may not, so they cannot lift the limit.
 */
const mayLimitFiles = `has_parameter_privilege('temp_file_limit', 'SET')`;

/**
 * Returns SQL that sets the limits of a tenant's role.
 * @see https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-TEMP-FILE-LIMIT
 */
export function boundRoleSql(role: string, bounds: TenantBounds): string {
  return `DO $bound$ BEGIN ${boundSql(quoteLiteral(role), bounds)} END $bound$;`;
}

/**
 * Returns SQL that sets the limits of all tenants' roles of an installation that have other limits, in batches. It must run as a
 * single statement in the maintenance database, outside a transaction. It skips roles that are locked or may not be altered.
 */
export function boundAllRolesSql(roles: InstallationRoles, bounds: TenantBounds): string {
  return `
    DO $all$ DECLARE role name; done int := 0; BEGIN
      FOR role IN ${unboundSql(roles, bounds)} LOOP
        IF pg_try_advisory_xact_lock(${lockKind.placement}, hashtext(substr(role, length('tenant_') + 1))) THEN
          BEGIN
            ${boundSql('role', bounds)}
          EXCEPTION WHEN undefined_object OR internal_error OR insufficient_privilege THEN NULL;
          END;
        END IF;
        done := done + 1;
        IF done % ${ROLES_AT_ONCE} = 0 THEN COMMIT; END IF;
      END LOOP;
    END $all$`;
}

/** Finds the tenants' roles of an installation that do not have these limits. */
export async function findUnboundRoles(
  admin: pg.Client,
  roles: InstallationRoles,
  bounds: TenantBounds,
): Promise<readonly string[]> {
  const { rows } = await admin.query<{ role: string }>(`SELECT role FROM (${unboundSql(roles, bounds)}) unbound`);
  return rows.map(({ role }) => role);
}

/** Whether the current role may limit the temporary files of tenants' roles. */
export async function mayLimitTempFiles(admin: pg.Client): Promise<boolean> {
  const { rows } = await admin.query<{ may: boolean }>(`SELECT ${mayLimitFiles} AS may`);
  return rows[0]?.may ?? false;
}

/** Returns SQL that is true if the role `r` is that of a tenant of an installation. The admin may be in the groups too. */
export function isTenantRoleSql({ databaseTenants, schemaTenants }: InstallationRoles): string {
  const groups = [databaseTenants, schemaTenants].map(quoteLiteral).join(', ');
  return `(r.rolname ~ '^tenant_[0-9a-z]{10}$' AND EXISTS (
    SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
    WHERE m.member = r.oid AND g.rolname IN (${groups})))`;
}

function unboundSql(roles: InstallationRoles, bounds: TenantBounds): string {
  const fileLimit = quoteLiteral(`temp_file_limit=${bounds.tempFileMb}MB`);
  return `SELECT r.rolname AS role FROM pg_roles r WHERE ${isTenantRoleSql(roles)} AND (
    r.rolconnlimit <> ${bounds.connectionLimit}
    OR ${mayLimitFiles} AND NOT ${fileLimit} = ANY (coalesce(r.rolconfig, '{}')))`;
}

/** Statements of PL/pgSQL. */
function boundSql(roleExpression: string, { connectionLimit, tempFileMb }: TenantBounds): string {
  return `
    EXECUTE format('ALTER ROLE %I CONNECTION LIMIT ${connectionLimit}', ${roleExpression});
    IF ${mayLimitFiles} THEN
      EXECUTE format('ALTER ROLE %I SET temp_file_limit = %L', ${roleExpression}, '${tempFileMb}MB');
    END IF;`;
}
