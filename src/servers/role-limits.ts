import type pg from 'pg';
import { commonSchema, searchPathOf } from '../migrator/files/common-schema.ts';
import { lockKind } from '../postgres/sql/advisory-lock.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { roleSettings } from '../routing/tenant-session.ts';

/** Limits that PostgreSQL enforces on a tenant's role, whatever SQL the tenant sends, and the defaults of its sessions. */
export interface TenantBounds {
  /** Concurrent connections of all processes together, and of anybody else who knows the role's password. */
  readonly connectionLimit: number;
  /** Temporary files of one connection at once, in megabytes. */
  readonly tempFileMb: number;
  /** How long a statement may take, in milliseconds. A session can lift this limit. */
  readonly statementTimeoutMs: number;
}

/** The number of roles that are altered in one transaction. Each takes a lock until the transaction ends. */
const ROLES_AT_ONCE = 100;

/**
 * SQL that is true if the current role may limit temporary files: a superuser, and since PostgreSQL 15 a role with a grant.
 * Tenants' roles may not, so they cannot lift the limit.
 */
const mayLimitFiles = `has_parameter_privilege('temp_file_limit', 'SET')`;

/**
 * Returns SQL that sets the limits of a tenant's role and the settings of its sessions. It leaves other settings as they are.
 * @param schema the tenant's
 * @see https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-TEMP-FILE-LIMIT
 */
export function boundRoleSql(role: string, schema: string, bounds: TenantBounds): string {
  return `DO $bound$ BEGIN ${boundSql(quoteLiteral(role), quoteLiteral(searchPathOf(schema)), bounds)} END $bound$;`;
}

/**
 * Returns SQL that does the same for all tenants' roles of an installation that have others, in batches. It must run as a single
 * statement in the maintenance database, outside a transaction. It skips roles that are locked or may not be altered.
 */
export function boundAllRolesSql(roles: InstallationRoles, bounds: TenantBounds): string {
  return `
    DO $all$ DECLARE role name; path text; place name; done int := 0; BEGIN
      FOR role, path IN ${unboundSql(roles, bounds)} LOOP
        IF pg_try_advisory_xact_lock(${lockKind.placement}, hashtext(substr(role, length('tenant_') + 1))) THEN
          BEGIN
            ${boundSql('role', 'path', bounds)}
            FOR place IN SELECT datname FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = role LOOP
              EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', role, place);
            END LOOP;
          EXCEPTION WHEN undefined_object OR internal_error OR insufficient_privilege THEN NULL;
          END;
        END IF;
        done := done + 1;
        IF done % ${ROLES_AT_ONCE} = 0 THEN COMMIT; END IF;
      END LOOP;
    END $all$`;
}

/** Finds the tenants' roles of an installation that do not have these limits and settings. */
export async function findUnboundRoles(
  admin: pg.Client,
  roles: InstallationRoles,
  bounds: TenantBounds,
): Promise<readonly string[]> {
  const { rows } = await admin.query<{ role: string }>(`SELECT role FROM (${unboundSql(roles, bounds)}) unbound`);
  return rows.map(({ role }) => role);
}

/** Returns SQL that is true if the role `r` is that of a tenant of an installation. The admin may be in the groups too. */
export function isTenantRoleSql({ databaseTenants, schemaTenants }: InstallationRoles): string {
  const groups = [databaseTenants, schemaTenants].map(quoteLiteral).join(', ');
  return `(r.rolname ~ '^tenant_[0-9a-z]{10}$' AND EXISTS (
    SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
    WHERE m.member = r.oid AND g.rolname IN (${groups})))`;
}

/** A setting for one database takes precedence over the role's, and we make none. */
function unboundSql(roles: InstallationRoles, bounds: TenantBounds): string {
  const fileLimit = quoteLiteral(`temp_file_limit=${bounds.tempFileMb}MB`);
  const settings = Object.entries(roleSettings(bounds.statementTimeoutMs)).map(([name, value]) => `${name}=${value}`);
  return `SELECT r.role, r.path FROM (
    SELECT r.*, r.rolname AS role, CASE WHEN r.oid IN (
        SELECT m.member FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE g.rolname = ${quoteLiteral(roles.schemaTenants)}
      ) THEN quote_ident(r.rolname) ELSE 'public' END || ${quoteLiteral(`, ${commonSchema}`)} AS path
    FROM pg_roles r WHERE ${isTenantRoleSql(roles)}
  ) r WHERE r.rolconnlimit <> ${bounds.connectionLimit}
    OR NOT coalesce(r.rolconfig, '{}') @> ARRAY[${settings.map(quoteLiteral).join(', ')}, 'search_path=' || r.path]
    OR r.oid IN (SELECT setrole FROM pg_db_role_setting WHERE setdatabase <> 0)
    OR ${mayLimitFiles} AND NOT ${fileLimit} = ANY (coalesce(r.rolconfig, '{}'))`;
}

/**
 * Statements of PL/pgSQL.
 * @param roleExpression the role's name
 * @param pathExpression its search path, as SQL
 */
function boundSql(roleExpression: string, pathExpression: string, bounds: TenantBounds): string {
  const { connectionLimit, tempFileMb, statementTimeoutMs } = bounds;
  const settings = Object.entries(roleSettings(statementTimeoutMs));
  return `
    EXECUTE format('ALTER ROLE %I CONNECTION LIMIT ${connectionLimit}', ${roleExpression});
    EXECUTE format('ALTER ROLE %I SET search_path = %s', ${roleExpression}, ${pathExpression});
    ${settings.map(([name, value]) => `EXECUTE format('ALTER ROLE %I SET ${name} = %L', ${roleExpression}, ${quoteLiteral(value)});`).join(' ')}
    IF ${mayLimitFiles} THEN
      EXECUTE format('ALTER ROLE %I SET temp_file_limit = %L', ${roleExpression}, '${tempFileMb}MB');
    END IF;`;
}
