import { ConfigError } from '../config/config.ts';
import type { ServerAddress } from '../config/database-url.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { isConnectionFailure, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';

/**
 * What to tell the person whose server does not start: what happened, and what to do.
 * @param server where PostgreSQL is, as far as the settings could be read and name one
 */
export function explainStartFailure(thrown: unknown, server: ServerAddress | undefined): string {
  return thrown instanceof ConfigError ? thrown.message : `Tenantry cannot start: ${describeFailure(thrown, server)}`;
}

/**
 * What to tell the person whose installation cannot be opened; see {@link explainStartFailure}.
 */
export function describeFailure(thrown: unknown, server: ServerAddress | undefined): string {
  // That a server does not answer says less than why.
  const error = thrown instanceof AppError && thrown.cause ? thrown.cause : thrown;
  const { code, syscall, address, port } = systemErrorOf(error);
  if (syscall === 'listen' || syscall === 'bind') return listenProblem(code, address, port);
  if (!server) return messageOf(error);
  const place = `PostgreSQL at ${server.host}:${server.port}`;
  const settings = 'The setting DATABASE_URL, or DB_HOST, DB_PORT, DB_USERNAME and DB_PASSWORD';
  switch (sqlStateOf(error)) {
    case sqlState.invalidPassword:
    case sqlState.invalidAuthorization:
      return `${place} does not let ${server.user} in (${messageOf(error)}). ${settings} must name a role and its password.`;
    case sqlState.invalidCatalogName:
      return `${messageOf(error)} (${place}). The path of DATABASE_URL must name a database that exists, such as postgres.`;
    case sqlState.insufficientPrivilege:
      return `${messageOf(error)} (${place}). The role ${server.user} needs CREATEDB and CREATEROLE.`;
  }
  if (isConnectionFailure(error) || syscall === 'getaddrinfo') {
    return `${place} cannot be reached (${messageOf(error) || code}). Is it running? ${settings}, must say where it is; with none of them, Tenantry starts a PostgreSQL of its own.`;
  }
  return messageOf(error);
}

function listenProblem(code: unknown, address: unknown, port: unknown): string {
  if (code === 'EADDRINUSE') {
    return `something listens on port ${port} of ${address} already. Stop it, or set PORT to another one; 0 takes a free one.`;
  }
  if (code === 'EACCES') return `this user may not listen on port ${port}. Set PORT to one above 1023.`;
  return `it cannot listen on ${address} (${code}). HOST must be an address of this machine, or 0.0.0.0.`;
}

/** The fields that Node gives to errors of the system; of several attempts at once, those of the first. */
function systemErrorOf(error: unknown): Readonly<Record<string, unknown>> {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? { ...first } : {};
}
