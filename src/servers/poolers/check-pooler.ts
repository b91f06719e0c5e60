import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { badInput } from '../../lib/errors.ts';
import { createLoginRoleSql } from '../../postgres/admin/roles.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { lockKind, withAdvisoryLock } from '../../postgres/sql/advisory-lock.ts';
import { isConnectTimeout, isPoolerFailure, sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { type InstallationRoles, newTenantKey } from '../../routing/placement.ts';
import { findForeignState } from '../../routing/tenant-session.ts';
import { connectFailure } from '../check.ts';
import { boundRoleSql, type TenantBounds } from '../role-limits.ts';
import { endSessionsOf } from '../tenant-sessions.ts';

/** What checking a pooler needs. */
export interface CheckPoolerOptions {
  readonly sharedDatabase: string;
  readonly roles: InstallationRoles;
  readonly bounds: TenantBounds;
}

/**
 * Finds out whether tenants' requests can go through a server's pooler, and reach this server. It logs in as tenants do, with a role
 * that exists only meanwhile. The server must be set up, so that it has the shared database.
 * @returns why they can't, for an operator; undefined if they can, or if the server has no pooler
 */
export async function findPoolerProblem(
  server: PostgresServer,
  options: CheckPoolerOptions,
): Promise<string | undefined> {
  if (!server.pooler) return undefined;
  const prefix = `${options.roles.app}_pooler_`;
  return server.admin((admin) =>
    withAdvisoryLock(admin, lockKind.setup, prefix, async () => {
      await dropProbes(admin, prefix);
      try {
        return await probe(server, admin, `${prefix}${newTenantKey()}`, options);
      } finally {
        await dropProbes(admin, prefix);
      }
    }),
  );
}

/**
 * Checks a server's pooler as {@link findPoolerProblem} does.
 * @throws {AppError} BAD_USER_INPUT with the reason
 */
export async function checkPooler(server: PostgresServer, options: CheckPoolerOptions): Promise<void> {
  const problem = await findPoolerProblem(server, options);
  if (problem) throw badInput('poolerUrl', `The pooler cannot be used: ${problem}`);
}

async function probe(
  server: PostgresServer,
  admin: pg.Client,
  role: string,
  { sharedDatabase: database, roles, bounds }: CheckPoolerOptions,
): Promise<string | undefined> {
  const password = randomBytes(32).toString('base64url');
  await admin.query(`${createLoginRoleSql(role, password, roles.schemaTenants)} ${boundRoleSql(role, role, bounds)}`);
  const client = new pg.Client(server.connectionTo({ database, role: { name: role, password }, pooled: true }));
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('BEGIN');
    const wrong = await findForeignState(client, role, { database, schema: role }, bounds.statementTimeoutMs);
    if (wrong) return `its sessions have another ${wrong} than the role that logs in`;
    if ((await readStart(client)) !== (await readStart(admin))) return 'it leads to another PostgreSQL server';
    await client.query('COMMIT');
    return undefined;
  } catch (error) {
    return mayBeElsewhere(error)
      ? `the login of a tenant's role fails (${connectFailure(error)}), or it leads to another PostgreSQL server`
      : connectFailure(error);
  } finally {
    await client.end();
  }
}

/**
 * Another server has neither the role nor, perhaps, the database, and says the same as a pooler that may not read its password.
 * PgBouncer tries again for a while before it says anything.
 */
function mayBeElsewhere(error: unknown): boolean {
  return isPoolerFailure(error) || isConnectTimeout(error) || unknownStates.has(sqlStateOf(error) ?? '');
}

const unknownStates: ReadonlySet<string> = new Set([
  sqlState.invalidPassword,
  sqlState.invalidAuthorization,
  sqlState.invalidCatalogName,
  sqlState.insufficientPrivilege,
]);

/** Two servers, also copies of each other, do not start in the same microsecond. */
async function readStart(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ start: string }>(
    'SELECT extract(epoch FROM pg_postmaster_start_time())::text AS start',
  );
  return rows[0]?.start;
}

/** An interrupted check has left its role. */
async function dropProbes(admin: pg.Client, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ role: string }>(
    `SELECT rolname AS role FROM pg_roles WHERE starts_with(rolname, ${quoteLiteral(prefix)})`,
  );
  for (const { role } of rows) {
    await endSessionsOf(admin, role);
    await admin.query(`DROP ROLE IF EXISTS ${quoteIdentifier(role)}`);
  }
}
