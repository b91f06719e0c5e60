import { AppError } from '../lib/errors.ts';
import type { PostgresServer } from '../postgres/server.ts';
import type { SourcePlace } from './place.ts';

/** The number of tables that are copied at the same time, where there are enough connections. */
export const PARALLEL_TABLES = 4;

/**
 * What a copy holds on one server besides two connections for each table: one for either side, one for the snapshot, and one that
 * keeps migrations out or holds the snapshot of a slot.
 */
const BESIDE_TABLES = 4;

/** How many connections a copy holds on one server. */
const copyConnections = { least: BESIDE_TABLES + 2, most: BESIDE_TABLES + 2 * PARALLEL_TABLES };

/** With a smaller budget, there are too few connections for any copy. Tenants cannot use three of them, and copies leave one to others. */
const LEAST_BUDGET = copyConnections.least + 4;

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
 * @throws {AppError} CONFLICT if the budget of this process is too small for any copy, and whatever `copy` throws
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
    if (!server) return copy(parallel).catch((error: unknown) => refuseSmallBudget(inOrder, error));
    const next = (granted: number) => enter(index + 1, Math.min(parallel, (granted - BESIDE_TABLES) / 2));
    return server.several.use(copyConnections, next, signal);
  };
  return enter(0, PARALLEL_TABLES);
}

/** A copy that needs more connections than there are fails because it waits for them in vain. */
function refuseSmallBudget(servers: readonly PostgresServer[], error: unknown): never {
  const small = servers.find(({ stats }) => stats.max < LEAST_BUDGET);
  if (!small || !(error instanceof AppError && error.code === 'SERVER_BUSY')) throw error;
  throw new AppError(
    'CONFLICT',
    `This process may open ${small.stats.max} connections to the server ${small.name}, which is too few to copy a tenant. Raise CONNECTION_BUDGET to at least ${LEAST_BUDGET}; if it is auto, raise max_connections of PostgreSQL.`,
    { cause: error },
  );
}
