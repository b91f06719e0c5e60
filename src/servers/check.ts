import { AppError, badInput, messageOf } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import { hasEverySettingSql } from '../postgres/session-settings.ts';
import { isPoolerFailure } from '../postgres/sql/error-codes.ts';

/** Facts about a PostgreSQL server and the role that connects. */
export interface ServerFacts {
  /** PostgreSQL's system identifier. Two addresses with the same one are one server, or a copy of it. */
  readonly systemIdentifier: string;
  /** Such as 150004 for 15.4. */
  readonly version: number;
  readonly isStandby: boolean;
  readonly mayCreateDatabases: boolean;
  readonly mayCreateRoles: boolean;
  /** Whether it may do what the roles may that it is a member of. From PostgreSQL 16 on, each membership says so for itself. */
  readonly inherits: boolean;
  /** `minimal`, `replica` or `logical`. */
  readonly walLevel: string;
}

/** A connection pooler answered where PostgreSQL itself should. */
export class PoolerAnsweredError extends Error {
  override readonly name = 'PoolerAnsweredError';

  /** @param reason what shows it */
  constructor(reason: string, cause?: unknown) {
    super(`leads to a connection pooler, such as PgBouncer (${reason})`, { cause });
  }
}

/** PostgreSQL 15 is the first that can copy a template without a checkpoint. */
const OLDEST_VERSION = 150_000;

/**
 * Reads a server's facts. Any role may do this.
 * @param as whose privileges to read: the admin's, or those of the role of the server's address
 * @throws {PoolerAnsweredError}
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
 */
export async function readServerFacts(server: PostgresServer, as: 'admin' | 'serving' = 'admin'): Promise<ServerFacts> {
  const read = server[as](async (client) => {
    const { rows } = await client.query<ServerFacts & { readonly isDirect: boolean }>(
      `SELECT system_identifier::text AS "systemIdentifier", current_setting('server_version_num')::int AS version,
         pg_is_in_recovery() AS "isStandby", rolsuper OR rolcreatedb AS "mayCreateDatabases",
         rolsuper OR rolcreaterole AS "mayCreateRoles",
         rolsuper OR rolinherit OR current_setting('server_version_num')::int >= 160000 AS inherits,
         current_setting('wal_level') AS "walLevel", ${hasEverySettingSql} OR pg_backend_pid() = $1 AS "isDirect"
       FROM pg_control_system(), pg_roles WHERE rolname = current_user`,
      // The process that answered the login. The types of node-postgres lack it.
      [Reflect.get(client, 'processID')],
    );
    return rows[0];
  });
  const row = await read.catch((error: unknown) => {
    // Most poolers refuse settings when connecting.
    throw isPoolerFailure(error) ? new PoolerAnsweredError(messageOf(error), error) : error;
  });
  if (!row) throw new Error('PostgreSQL returned no facts about itself');
  const { isDirect, ...facts } = row;
  // A pooler that is configured to ignore them accepts the connection, with a process number of its own.
  if (!isDirect) throw new PoolerAnsweredError('the settings of the connection do not arrive');
  return facts;
}

/** Returns why a server cannot hold tenants; undefined if it can. */
export function refusalOf(facts: ServerFacts): string | undefined {
  const { version, isStandby, mayCreateDatabases, mayCreateRoles, inherits } = facts;
  if (version < OLDEST_VERSION) return `It is PostgreSQL ${Math.trunc(version / 10_000)}; 15 or newer is needed`;
  if (isStandby) return 'It is a read-only standby; use the URL of its primary';
  if (!mayCreateDatabases) return 'The role may not create databases; run: ALTER ROLE … CREATEDB';
  if (!mayCreateRoles) return 'The role may not create roles; run: ALTER ROLE … CREATEROLE';
  if (!inherits) return "The role may not end the sessions of tenants' roles; run: ALTER ROLE … INHERIT";
  return undefined;
}

/** Returns what an operator of a server that can hold tenants should change; undefined if nothing. */
export function doubtOf({ walLevel }: ServerFacts): string | undefined {
  if (walLevel !== 'minimal') return undefined;
  return "It has wal_level = minimal, with which its sequences can give numbers a second time after a crash. Set wal_level = replica, which is PostgreSQL's default, and restart it";
}

/**
 * Checks that a server can be reached and can hold tenants.
 * @throws {AppError} BAD_USER_INPUT with the reason
 */
export async function checkServer(server: PostgresServer): Promise<ServerFacts> {
  const facts = await readServerFacts(server).catch((error: unknown) => {
    if (error instanceof PoolerAnsweredError) {
      throw badInput('url', `The URL ${error.message}; use that of PostgreSQL itself, and --pooler-url for the pooler`);
    }
    throw new AppError('BAD_USER_INPUT', `Cannot connect to the server: ${connectFailure(error)}`, {
      cause: error,
      details: { field: 'url' },
    });
  });
  const refusal = refusalOf(facts);
  if (refusal) throw badInput('url', refusal);
  return facts;
}

/** Returns why a server could not be reached, for its operator. It may contain the address, but never a password. */
export function connectFailure(error: unknown): string {
  const cause = error instanceof AppError && error.cause !== undefined ? error.cause : error;
  return explainUrlProblem(cause) ?? messageOf(cause);
}

/** Says in words of the URL what node-postgres says in its own. Returns undefined for all other errors. */
export function explainUrlProblem(error: unknown): string | undefined {
  const message = messageOf(error);
  return urlProblems.find(([pattern]) => pattern.test(message))?.[1];
}

/** These errors have no codes. The messages are from connection.js and crypto/sasl.js of node-postgres. */
const urlProblems: readonly (readonly [pattern: RegExp, explanation: string])[] = [
  [/^The server does not support SSL connections/, 'it does not accept TLS, which sslmode in the URL requires'],
  [/^SASL: .*client password must be/, 'it asks for a password, and the URL has none'],
];
