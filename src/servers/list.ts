import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import { countTenants } from '../catalog/server-queries.ts';
import { connectFailure } from './check.ts';
import type { KnownServer, ServerRegistry } from './registry.ts';

/** A server for its operator. It contains only the host and port of the URL. */
export interface ServerInfo {
  readonly name: string;
  /** Null if the URL cannot be decrypted because it was stored with another ROLE_SECRET. */
  readonly host: string | null;
  readonly port: number | null;
  readonly tenantCount: number;
  /** Connections that each process may open to it. */
  readonly connectionBudget: number;
  /** Open connections of all clients of the server, whichever program they are. Null if it does not answer. */
  readonly connections: number | null;
  /** How many connections the server allows. Null if it does not answer. */
  readonly maxConnections: number | null;
  readonly acceptsTenants: boolean;
  readonly answers: boolean;
  /** Why it does not answer. */
  readonly error: string | null;
}

/** Lists all servers in the order in which they were added, and asks each of them about its connections. */
export async function listServers(catalog: Catalog, servers: ServerRegistry): Promise<readonly ServerInfo[]> {
  await servers.refresh();
  const counts = await catalog.use(countTenants);
  return Promise.all(servers.known().map((known) => infoOf(known, counts.get(known.row.name) ?? 0)));
}

async function infoOf({ row, server }: KnownServer, tenantCount: number): Promise<ServerInfo> {
  const answer = await server.serving(readConnections).catch((error: unknown) => connectFailure(error));
  const { connections, maxConnections } = typeof answer === 'string' ? noConnections : answer;
  return {
    name: row.name,
    host: server.host?.host ?? null,
    port: server.host?.port ?? null,
    tenantCount,
    connectionBudget: server.stats.max,
    connections,
    maxConnections,
    acceptsTenants: row.acceptsTenants,
    answers: typeof answer !== 'string',
    error: typeof answer === 'string' ? answer : null,
  };
}

const noConnections = { connections: null, maxConnections: null };

async function readConnections(client: pg.Client): Promise<{ connections: number; maxConnections: number }> {
  // PostgreSQL's own processes have no database.
  const { rows } = await client.query<{ connections: number; maxConnections: number }>(
    `SELECT count(*)::int AS connections, current_setting('max_connections')::int AS "maxConnections"
     FROM pg_stat_activity WHERE datname IS NOT NULL`,
  );
  return rows[0] ?? { connections: 0, maxConnections: 0 };
}
