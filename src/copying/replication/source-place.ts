import type pg from 'pg';
import type { PostgresServer } from '../../postgres/server.ts';
import type { CopyPlace } from '../place.ts';

/** A place whose changes can be streamed. */
export interface SourcePlace extends CopyPlace {
  /** As `use`, with a replication connection to the database. */
  replicate<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Returns a place on a server, which the admin's connections reach. */
export function placeOn(
  server: PostgresServer,
  { database, schema }: { readonly database: string; readonly schema: string },
): SourcePlace {
  const oneOff = { database, max: 1, priority: 'tenant', keepIdle: false } as const;
  return {
    database,
    schema,
    use: (work, signal) => server.owner(database, work, signal),
    replicate: (work, signal) => server.pool({ ...oneOff, replication: true }).use(work, signal),
  };
}
