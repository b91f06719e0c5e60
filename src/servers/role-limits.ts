import type pg from 'pg';
import { lockKind } from '../postgres/sql/advisory-lock.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';

/** What PostgreSQL grants to the role of one tenant, whatever SQL it sends. */
export interface TenantBounds {
  /** Connections at once, of all processes together, and of whoever else knows the role's password. */
  readonly connectionLimit: number;
  /** Temporary files of one connection at once, in megabytes. */
  readonly tempFileMb: number;
}

/** Tenants' roles that are given their bounds in one transaction: each takes a lock until it ends. */
const ROLES_AT_ONCE = 100;

/**
 * Whether the current role may limit temporary files. The tenants themselves may not, so that the limit holds. A superuser may,
 * and since PostgreSQL 15 whoever has been granted it.
 */
const mayLimitFiles = `has_parameter_privilege('temp_file_limit', 'SET')`;

/**
 * SQL that gives a tenant's role its bounds.
 * @see https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-TEMP-FILE-LIMIT
 */
export function boundRoleSql(role: string, bounds: TenantBounds): string {
  return `DO $bound$ BEGIN ${boundSql(quoteLiteral(role), bounds)} END $bound$;`;
}

/**
 * SQL that gives the bounds to all tenants' roles of an installation that have others, some at a time. It must be sent alone to
 * the maintenance database, outside a transaction. Roles that somebody works on, or that may not be altered, are left out.
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

/** The tenants' roles of an installation that do not have these bounds. */
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

/** SQL that is true of the roles, called `r`, that are of tenants of an installation: the admin may be in their groups too. */
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
