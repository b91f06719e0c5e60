import { ConfigError } from '../config/config.ts';
import type { ServerAddress } from '../config/server-address.ts';
import { showHost } from '../config/server-hosts.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { isConnectionFailure, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { explainUrlProblem } from '../servers/check.ts';

/**
 * Explains why a server did not start, and what to do.
 * @param server the address of PostgreSQL, if the settings could be read and contain one
 */
export function explainStartFailure(thrown: unknown, server: ServerAddress | undefined): string {
  return thrown instanceof ConfigError ? thrown.message : `Tenantry cannot start: ${describeFailure(thrown, server)}`;
}

/**
 * Explains why an installation could not be opened; see {@link explainStartFailure}.
 */
export function describeFailure(thrown: unknown, server: ServerAddress | undefined): string {
  // The cause says more than "the server does not answer".
  const error = thrown instanceof AppError && thrown.cause ? thrown.cause : thrown;
  const { code, syscall, address, port } = systemErrorOf(error);
  if (syscall === 'listen' || syscall === 'bind') return listenProblem(code, address, port);
  if (!server) return messageOf(error);
  const place = `PostgreSQL at ${[server, ...(server.otherHosts ?? [])].map(showHost).join(' or ')}`;
  const settings = 'DATABASE_URL, or DB_HOST, DB_PORT, DB_USERNAME and DB_PASSWORD';
  switch (sqlStateOf(error)) {
    case sqlState.invalidPassword:
    case sqlState.invalidAuthorization:
      return `${place} rejects the role ${server.user} (${messageOf(error)}). Set ${settings} to a role and its password.`;
    case sqlState.invalidCatalogName:
      return `${messageOf(error)} (${place}). The path of DATABASE_URL must name an existing database, such as postgres.`;
    case sqlState.insufficientPrivilege:
      return `${messageOf(error)} (${place}). The role ${server.user} needs CREATEDB and CREATEROLE. If another role has set up this installation, tenantry doctor says what is missing.`;
  }
  if (isConnectionFailure(error) || syscall === 'getaddrinfo') {
    const reason = messageOf(error) || code;
    // With several hosts, the reason names them.
    const problem =
      server.otherHosts && error instanceof AggregateError
        ? `PostgreSQL cannot be reached: ${reason}`
        : `${place} cannot be reached (${reason})`;
    return `${problem}. Is it running? Set ${settings} to its address. Without these settings, Tenantry starts a PostgreSQL of its own.`;
  }
  const urlProblem = explainUrlProblem(error);
  return urlProblem === undefined ? messageOf(error) : `${place} cannot be used: ${urlProblem}. Correct ${settings}.`;
}

function listenProblem(code: unknown, address: unknown, port: unknown): string {
  if (code === 'EADDRINUSE') {
    return `port ${port} of ${address} is already in use. Stop the program that uses it, or set PORT to another port; 0 picks a free one.`;
  }
  if (code === 'EACCES') return `this user may not listen on port ${port}. Set PORT to a port above 1023.`;
  return `it cannot listen on ${address} (${code}). HOST must be an address of this machine, or 0.0.0.0.`;
}

/** Returns the fields of a Node system error; for several parallel attempts, those of the first. */
function systemErrorOf(error: unknown): Readonly<Record<string, unknown>> {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? { ...first } : {};
}
