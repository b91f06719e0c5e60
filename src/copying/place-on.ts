import type { PostgresServer } from '../postgres/server.ts';
import type { SourcePlace } from './place.ts';

/** The number of tables that are copied at the same time. */
export const PARALLEL_TABLES = 4;

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
