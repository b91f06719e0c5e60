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
  readonly acceptsTenants: boolean;
  readonly answers: boolean;
  /** Why it does not answer. */
  readonly error: string | null;
}

/** Lists all servers in the order in which they were added, and pings each of them. */
export async function listServers(catalog: Catalog, servers: ServerRegistry): Promise<readonly ServerInfo[]> {
  await servers.refresh();
  const counts = await catalog.use(countTenants);
  return Promise.all(servers.known().map((known) => infoOf(known, counts.get(known.row.name) ?? 0)));
}

async function infoOf({ row, server }: KnownServer, tenantCount: number): Promise<ServerInfo> {
  const error = await server.ping().then(() => null, connectFailure);
  return {
    name: row.name,
    host: server.address?.host ?? null,
    port: server.address?.port ?? null,
    tenantCount,
    connectionBudget: server.stats.max,
    acceptsTenants: row.acceptsTenants,
    answers: error === null,
    error,
  };
}
