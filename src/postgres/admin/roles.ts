import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { quoteIdentifier, quoteLiteral } from '../sql/quote.ts';

/** Returns the password of a role. */
export type PasswordOf = (role: string) => string;

/**
 * Derives the passwords of roles from one secret, so that none is stored.
 * @param secret at least 32 bytes
 */
export function derivePasswords(secret: string): PasswordOf {
  return (role) => createHmac('sha256', secret).update(`role:${role}`).digest('base64url');
}

/**
 * Returns SQL that creates a login role, or resets its password if it exists, and grants it a group role. The SQL contains
 * the password only as a SCRAM verifier, because PostgreSQL includes statements in its log and in the context of errors.
 */
export function createLoginRoleSql(role: string, password: string, group?: string): string {
  const name = quoteIdentifier(role);
  const attributes = `LOGIN PASSWORD ${quoteLiteral(scramVerifier(password))}`;
  return `
    DO $role$ BEGIN
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(role)}) THEN ALTER ROLE ${name} ${attributes};
      ELSE CREATE ROLE ${name} ${attributes}; END IF;
    END $role$;
    ${group ? `GRANT ${quoteIdentifier(group)} TO ${name};` : ''}`;
}

/**
 * Returns what PostgreSQL stores of a password. SCRAM's iterations slow down guessing of passwords that people chose. Ours
 * have 256 random bits, so one iteration is enough and halves the time to connect. The salt follows from the password: what a pooler
 * keeps of a login stays valid when the same password is set again.
 * @see https://www.postgresql.org/docs/current/catalog-pg-authid.html
 * @see https://www.rfc-editor.org/rfc/rfc5802#section-3
 */
function scramVerifier(password: string): string {
  const salt = createHmac('sha256', password).update('salt').digest().subarray(0, 16);
  const salted = pbkdf2Sync(password, salt, 1, 32, 'sha256');
  const keyFor = (name: string) => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyFor('Client Key')).digest('base64');
  return `SCRAM-SHA-256$1:${salt.toString('base64')}$${storedKey}:${keyFor('Server Key').toString('base64')}`;
}

/** Returns SQL that keeps a role from logging in. Does nothing if it does not exist. */
export function noLoginSql(role: string): string {
  return `
    DO $role$ BEGIN
      ALTER ROLE ${quoteIdentifier(role)} NOLOGIN;
    EXCEPTION WHEN undefined_object THEN NULL;
    END $role$;`;
}

/** Returns SQL that creates a group role, which cannot log in, if it does not exist. */
export function createGroupRoleSql(role: string): string {
  return `
    DO $role$ BEGIN
      CREATE ROLE ${quoteIdentifier(role)} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $role$;`;
}

/**
 * Returns SQL that makes the current role a member of another role, if that role exists. An admin that is not a superuser
 * needs this to see and to terminate the other role's connections. From PostgreSQL 16 on, the admin has a membership that does not
 * inherit if `createrole_self_grant` says so or it is itself NOINHERIT; a GRANT without the option would leave that as it is.
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
 * @see https://www.postgresql.org/docs/current/sql-grant.html#SQL-GRANT-DESCRIPTION-ROLES
 */
export function joinRoleSql(role: string): string {
  const grant = `GRANT ${quoteIdentifier(role)} TO CURRENT_USER`;
  return `
    DO $role$ BEGIN
      IF current_setting('server_version_num')::int < 160000 THEN ${grant};
      ELSE EXECUTE ${quoteLiteral(`${grant} WITH INHERIT TRUE`)}; END IF;
    EXCEPTION WHEN undefined_object THEN NULL;
    END $role$;`;
}

/**
 * Returns SQL that drops a role's objects in this database, such as large objects, and revokes its privileges there. Without
 * it, the role cannot be dropped. Does nothing if the role does not exist.
 * @see https://www.postgresql.org/docs/current/sql-drop-owned.html
 */
export function dropOwnedSql(role: string): string {
  return `
    ${joinRoleSql(role)}
    DO $role$ BEGIN
      DROP OWNED BY ${quoteIdentifier(role)};
    EXCEPTION WHEN undefined_object THEN NULL;
    END $role$;`;
}

/** Returns SQL that resets a role's session defaults in all databases. Any role may set such defaults for itself. */
export function resetRoleSql(role: string): string {
  const name = quoteIdentifier(role);
  return `
    ALTER ROLE ${name} RESET ALL;
    DO $role$ DECLARE place name; BEGIN
      FOR place IN SELECT datname FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
          WHERE s.setrole = ${quoteLiteral(name)}::regrole LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', ${quoteLiteral(role)}, place);
      END LOOP;
    END $role$;`;
}

/**
 * Returns SQL that allows only the given roles to connect to a database. By default every role may connect and create
 * temporary tables.
 * @see https://www.postgresql.org/docs/current/ddl-priv.html
 */
export function closeDatabaseSql(database: string, allowed: readonly string[]): string {
  const name = quoteIdentifier(database);
  const grants = allowed.map((role) => `GRANT CONNECT ON DATABASE ${name} TO ${quoteIdentifier(role)};`);
  return `REVOKE ALL ON DATABASE ${name} FROM PUBLIC; ${grants.join(' ')}`;
}

/**
 * Returns SQL that grants a role access to the rows of a schema, including tables that the current role creates later, and
 * nothing else.
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
