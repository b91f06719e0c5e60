import { AppError } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { SourcePlace } from './place.ts';

/** The number of tables that are copied at the same time, where there are enough connections. */
export const PARALLEL_TABLES = 4;

/**
 * How many connections a copy holds on one server: one for either side, one for the snapshot, one that keeps migrations out or holds
 * the snapshot of a slot, and two more for each further table at the same time.
 */
const copyConnections = { least: 4, most: 4 + 2 * (PARALLEL_TABLES - 1) };

/** More than one connection for each table: a copy also holds some for its snapshot and for what is not rows. */
const MAX_CONNECTIONS = PARALLEL_TABLES + 3;

/**
 * Returns access to a schema on a server as the owner of its tables. Connections are closed after use, so that the database can be
 * dropped or copied.
 */
export function placeOn(
  server: PostgresServer,
  { database, schema }: { readonly database: string; readonly schema: string },
): SourcePlace {
  const request = { database, priority: 'tenant', keepIdle: false } as const;
  const pool = server.pool({ ...request, max: MAX_CONNECTIONS });
  return {
    database,
    schema,
    use: (work, signal) => pool.use(work, signal),
    replicate: (work, signal) => server.pool({ ...request, max: 1, replication: true }).use(work, signal),
  };
}

/**
 * Runs a copy as soon as its servers have enough connections for it, so that copies never wait for each other's.
 * @param servers where it reads and writes
 * @param copy gets the number of tables to copy at the same time
 * @param signal stops waiting and rejects with its reason
 * @throws {AppError} CONFLICT if this process may open too few connections for any copy, and whatever `copy` throws
 */
export function withRoomToCopy<T>(
  servers: readonly PostgresServer[],
  copy: (parallel: number) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  // Copies between the same servers ask for them in the same order.
  const inOrder = [...new Set(servers)].toSorted((one, other) => one.name.localeCompare(other.name));
  const enter = (index: number, parallel: number): Promise<T> => {
    const server = inOrder[index];
    if (!server) return copy(parallel);
    const next = (acquired: number) =>
      enter(index + 1, Math.min(parallel, 1 + Math.floor((acquired - copyConnections.least) / 2)));
    const tooFew = (neededLimit: number) => tooFewConnections(server, neededLimit);
    return server.several.use({ ...copyConnections, tooFew }, next, signal);
  };
  return enter(0, PARALLEL_TABLES);
}

function tooFewConnections({ name, stats }: PostgresServer, neededLimit: number): AppError {
  return new AppError(
    'CONFLICT',
    `Copying a tenant takes a process that may open ${neededLimit} connections to the server ${name}, and this one may open ${stats.max}. Raise CONNECTION_BUDGET, which all SERVER_PROCESSES share; if it is auto, raise max_connections of PostgreSQL or start fewer processes.`,
  );
}
