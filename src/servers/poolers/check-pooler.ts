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
import { findMode, type PoolerMode } from './mode.ts';

/** What checking a pooler needs. */
export interface CheckPoolerOptions {
  readonly sharedDatabase: string;
  readonly roles: InstallationRoles;
  readonly bounds: TenantBounds;
}

/** How to try a pooler. */
export interface TryPoolerOptions extends CheckPoolerOptions {
  /** Whether to find out what it does with sessions. */
  readonly findsMode?: boolean;
  /** How long to wait while another process tries it, in milliseconds. By default as long as it takes. */
  readonly waitMs?: number;
  /** Ends the attempt, which then counts as failed. */
  readonly signal?: AbortSignal;
}

/** What trying a pooler has shown. */
export interface PoolerTrial {
  /** Why tenants' requests cannot go through it, for an operator. Undefined if they can. */
  readonly problem?: string | undefined;
  /** Undefined if that was not asked for or could not be found out. */
  readonly mode?: PoolerMode | undefined;
}

/** How long a pooler may take to let a tenant in and answer, in milliseconds. It may wait for PostgreSQL much longer. */
const PATIENCE_MS = 10_000;

/**
 * Tries whether tenants' requests can go through a server's pooler, and reach this server. It logs in as tenants do, with a role
 * that exists only meanwhile. The server must be set up, so that it has the shared database.
 * @returns undefined if the server has no pooler
 * @throws {pg.DatabaseError} 55P03 if another process still tries it after `waitMs`
 */
export async function tryPooler(server: PostgresServer, options: TryPoolerOptions): Promise<PoolerTrial | undefined> {
  if (!server.pooler) return undefined;
  const { roles, waitMs = 0 } = options;
  const prefix = `${roles.app}_pooler_`;
  return server.admin((admin) =>
    withAdvisoryLock(
      admin,
      lockKind.setup,
      prefix,
      async () => {
        await dropProbes(admin, prefix);
        try {
          return await probe(server, admin, `${prefix}${newTenantKey()}`, options);
        } finally {
          await dropProbes(admin, prefix);
        }
      },
      { waitMs },
    ),
  );
}

/**
 * Checks a server's pooler as {@link tryPooler} does.
 * @throws {AppError} BAD_USER_INPUT with the reason
 */
export async function checkPooler(server: PostgresServer, options: CheckPoolerOptions): Promise<void> {
  const trial = await tryPooler(server, options);
  if (trial?.problem) throw badInput('poolerUrl', `The pooler cannot be used: ${trial.problem}`);
}

async function probe(
  server: PostgresServer,
  admin: pg.Client,
  role: string,
  { sharedDatabase: database, roles, bounds, findsMode = false, signal }: TryPoolerOptions,
): Promise<PoolerTrial> {
  const password = randomBytes(32).toString('base64url');
  await admin.query(`${createLoginRoleSql(role, password, roles.schemaTenants)} ${boundRoleSql(role, role, bounds)}`);
  const connection = server.connectionTo({ database, role: { name: role, password }, pooled: true });
  const client = new pg.Client(connection);
  client.on('error', () => undefined);
  const late = AbortSignal.timeout(PATIENCE_MS);
  const end = AbortSignal.any(signal ? [late, signal] : [late]);
  // It fails the statement that is running.
  const onEnd = () => void client.end();
  end.addEventListener('abort', onEnd);
  try {
    end.throwIfAborted();
    await client.connect();
    await client.query('BEGIN');
    const wrong = await findForeignState(client, role, { database, schema: role }, bounds.statementTimeoutMs);
    if (wrong) return { problem: `its sessions have another ${wrong} than the role that logs in` };
    if ((await readStart(client)) !== (await readStart(admin))) {
      return { problem: 'it leads to another PostgreSQL server' };
    }
    await client.query('COMMIT');
    return { mode: findsMode ? await findMode(client, connection) : undefined };
  } catch (error) {
    if (late.aborted) return { problem: `it gave no session within ${PATIENCE_MS / 1000} s` };
    return { problem: whyRefused(error) };
  } finally {
    end.removeEventListener('abort', onEnd);
    await client.end();
  }
}

function whyRefused(error: unknown): string {
  const reason = connectFailure(error);
  if (!mayBeElsewhere(error)) return reason;
  return `the login of a tenant's role fails (${reason}), or it leads to another PostgreSQL server`;
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
