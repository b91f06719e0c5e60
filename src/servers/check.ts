import { AppError, badInput, messageOf } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';

/** What a PostgreSQL says of itself, and of the role that asks. */
export interface ServerFacts {
  /** What it calls itself: two addresses that give the same are one server, or one is a copy of the other. */
  readonly systemIdentifier: string;
  /** Such as 150004 for 15.4. */
  readonly version: number;
  readonly isStandby: boolean;
  readonly mayCreateDatabases: boolean;
  readonly mayCreateRoles: boolean;
}

/** PostgreSQL 15, which can copy a template without a checkpoint. */
const OLDEST_VERSION = 150_000;

/**
 * Asks a server what it is. Any role may ask all of this.
 * @param as whose rights are told: the admin's, or those of the role of the server's address
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
 */
export async function readServerFacts(server: PostgresServer, as: 'admin' | 'serving' = 'admin'): Promise<ServerFacts> {
  const { rows } = await server[as]((client) =>
    client.query<ServerFacts>(
      `SELECT system_identifier::text AS "systemIdentifier", current_setting('server_version_num')::int AS version,
         pg_is_in_recovery() AS "isStandby", rolsuper OR rolcreatedb AS "mayCreateDatabases",
         rolsuper OR rolcreaterole AS "mayCreateRoles"
       FROM pg_control_system(), pg_roles WHERE rolname = current_user`,
    ),
  );
  const [facts] = rows;
  if (!facts) throw new Error('PostgreSQL did not say what it is');
  return facts;
}

/** Why a server cannot hold tenants; undefined if it can. */
export function refusalOf({ version, isStandby, mayCreateDatabases, mayCreateRoles }: ServerFacts): string | undefined {
  if (version < OLDEST_VERSION) return `It is PostgreSQL ${Math.trunc(version / 10_000)}; 15 or newer is needed`;
  if (isStandby) return 'It is a standby, in which nothing can be written; name its primary';
  if (!mayCreateDatabases) return 'The role may not create databases; its owner can say: ALTER ROLE … CREATEDB';
  if (!mayCreateRoles) return 'The role may not create roles; its owner can say: ALTER ROLE … CREATEROLE';
  return undefined;
}

/**
 * Makes sure that a server can be connected to and can hold tenants.
 * @throws {AppError} BAD_USER_INPUT, saying what is wrong
 */
export async function checkServer(server: PostgresServer): Promise<ServerFacts> {
  const facts = await readServerFacts(server).catch((error: unknown) => {
    throw new AppError('BAD_USER_INPUT', `It cannot be connected to: ${connectFailure(error)}`, {
      cause: error,
      details: { field: 'url' },
    });
  });
  const refusal = refusalOf(facts);
  if (refusal) throw badInput('url', refusal);
  return facts;
}

/** Why a server could not be asked, for its operator: it may name the address, and never holds a password. */
export function connectFailure(error: unknown): string {
  return messageOf(error instanceof AppError && error.cause !== undefined ? error.cause : error);
}
