import { createHmac } from 'node:crypto';
import { quoteIdentifier, quoteLiteral } from './identifiers.ts';

/** Gives the password of a role. */
export type PasswordOf = (role: string) => string;

/**
 * Derives roles' passwords from one secret, so that none is ever stored.
 * @param secret at least 32 bytes
 */
export function derivePasswords(secret: string): PasswordOf {
  return (role) => createHmac('sha256', secret).update(`role:${role}`).digest('base64url');
}

/**
 * SQL that makes a login role, or sets its password and limits anew, and grants it a group role's rights.
 *
 * SCRAM's iterations slow down those who guess passwords that people chose. This one has 256 random bits, so one iteration
 * is enough, and connecting takes half the time.
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-SCRAM-ITERATIONS
 */
export function createLoginRoleSql(role: string, password: string, group?: string): string {
  const name = quoteIdentifier(role);
  const attributes = `LOGIN PASSWORD ${quoteLiteral(password)}`;
  return `
    SELECT set_config('scram_iterations', '1', true) FROM pg_settings WHERE name = 'scram_iterations';
    DO $role$ BEGIN
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(role)}) THEN ALTER ROLE ${name} ${attributes};
      ELSE CREATE ROLE ${name} ${attributes}; END IF;
    END $role$;
    ${group ? `GRANT ${quoteIdentifier(group)} TO ${name};` : ''}`;
}

/** SQL that makes a role which nobody can log in as, unless it is there. */
export function createGroupRoleSql(role: string): string {
  return `
    DO $role$ BEGIN
      CREATE ROLE ${quoteIdentifier(role)} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $role$;`;
}

/**
 * SQL that gives the current role the rights of another one, if there is such a role. An admin that is no superuser needs
 * them to end that role's connections.
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
 */
export function joinRoleSql(role: string): string {
  return `
    DO $role$ BEGIN
      GRANT ${quoteIdentifier(role)} TO CURRENT_USER;
    EXCEPTION WHEN undefined_object THEN NULL;
    END $role$;`;
}

/**
 * SQL that lets only the given roles connect to a database. By default everyone may, and may make temporary tables.
 * @see https://www.postgresql.org/docs/current/ddl-priv.html
 */
export function closeDatabaseSql(database: string, allowed: readonly string[]): string {
  const name = quoteIdentifier(database);
  const grants = allowed.map((role) => `GRANT CONNECT ON DATABASE ${name} TO ${quoteIdentifier(role)};`);
  return `REVOKE ALL ON DATABASE ${name} FROM PUBLIC; ${grants.join(' ')}`;
}

/**
 * SQL that lets a role read and write the rows of a schema, also of tables that the current role makes there later, and
 * change nothing else.
 */
export function grantRowsSql(schema: string, role: string, rights = 'SELECT, INSERT, UPDATE, DELETE'): string {
  const [name, grantee] = [quoteIdentifier(schema), quoteIdentifier(role)];
  return `
    REVOKE ALL ON SCHEMA ${name} FROM PUBLIC;
    GRANT USAGE ON SCHEMA ${name} TO ${grantee};
    GRANT ${rights} ON ALL TABLES IN SCHEMA ${name} TO ${grantee};
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${name} TO ${grantee};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${name} GRANT ${rights} ON TABLES TO ${grantee};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${name} GRANT USAGE, SELECT ON SEQUENCES TO ${grantee};`;
}
