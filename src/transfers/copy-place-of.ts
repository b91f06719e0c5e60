import type { CopyPlace } from '../copying/place.ts';
import { type Servers, serverNamed } from '../postgres/server.ts';
import type { Placement } from '../routing/placement.ts';

/** The number of tables that are copied at the same time. */
export const PARALLEL_TABLES = 4;

/** More than one connection for each table: the copy also holds one for its snapshot. */
const MAX_CONNECTIONS = PARALLEL_TABLES + 2;

/**
 * Returns access to a place as the owner of its tables. Its connections are closed after use, so that the database can be
 * dropped or copied.
 * @throws {AppError} SERVER_BUSY if this process does not know the server yet
 */
export function copyPlaceOf(servers: Pick<Servers, 'get'>, { server, database, schema }: Placement): CopyPlace {
  const pool = serverNamed(servers, server).pool({
    database,
    max: MAX_CONNECTIONS,
    priority: 'tenant',
    keepIdle: false,
  });
  return { database, schema, use: (work, signal) => pool.use(work, signal) };
}
