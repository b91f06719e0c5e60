import pLimit from 'p-limit';
import type pg from 'pg';
import type { Servers } from '../postgres/server.ts';
import type { Placement } from '../routing/placement.ts';

/** How much reading may disturb the tenants. */
export interface ReadLimits {
  /** The number of sessions at once. */
  readonly concurrency: number;
  /** The time after which no further tenant is read, in milliseconds. */
  readonly totalMs: number;
}

/** How long a statement may take, and how long it may wait for the lock of a table, in milliseconds. */
const limitsSql = 'SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 500;';

/** The number of tenants of one database that are read in the same session. */
const TENANTS_OF_ONE_SESSION = 200;

/**
 * Reads something of many tenants in read-only transactions, with connections of the servers' budgets. A tenant that cannot be
 * read in time is missing from the result.
 * @throws {AppError} CONFLICT if this process only serves requests
 */
export async function readInTenants<Place extends Placement, Result>(
  servers: Servers,
  places: readonly Place[],
  read: (client: pg.Client, place: Place) => Promise<Result>,
  { concurrency, totalMs }: ReadLimits,
): Promise<ReadonlyMap<Place, Result>> {
  for (const name of new Set(places.map(({ server }) => server))) servers.get(name)?.requireAdmin();
  const results = new Map<Place, Result>();
  const late = AbortSignal.timeout(totalMs);
  const readAll = async (client: pg.Client, those: readonly Place[]) => {
    for (const place of those) {
      if (late.aborted) return;
      await readOne(client, async () => results.set(place, await read(client, place)));
    }
  };
  const limit = pLimit(concurrency);
  const sessions = sessionsOf(places).map(({ server, database, those }) =>
    limit(async () => {
      if (late.aborted) return;
      // Whatever happens, the tenants that have not been read are missing from the result.
      await servers
        .get(server)
        ?.owner(database, (client) => readAll(client, those), late)
        .catch(() => undefined);
    }),
  );
  await Promise.all(sessions);
  return results;
}

/** A table that is locked or missing does not keep the others from being read. */
async function readOne(client: pg.Client, read: () => Promise<unknown>): Promise<void> {
  await client.query(`BEGIN READ ONLY; ${limitsSql}`);
  await read().catch(() => undefined);
  await client.query('ROLLBACK');
}

interface Session<Place> {
  readonly server: string;
  readonly database: string;
  readonly those: Place[];
}

function sessionsOf<Place extends Placement>(places: readonly Place[]): readonly Session<Place>[] {
  const sessions: Session<Place>[] = [];
  const open = new Map<string, Session<Place>>();
  for (const place of places) {
    const { server, database } = place;
    const key = JSON.stringify([server, database]);
    let session = open.get(key);
    if (!session || session.those.length === TENANTS_OF_ONE_SESSION) {
      session = { server, database, those: [] };
      sessions.push(session);
      open.set(key, session);
    }
    session.those.push(place);
  }
  return sessions;
}
