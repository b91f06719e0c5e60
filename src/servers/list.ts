import type { Catalog } from '../catalog/catalog.ts';
import { countTenants } from '../catalog/server-queries.ts';
import { showHost } from '../config/server-hosts.ts';
import { readCapacity } from './budgets/capacity.ts';
import { noBudgets, readTogether, type Together } from './budgets/store.ts';
import { connectFailure } from './check.ts';
import type { PoolerWatch } from './poolers/watch.ts';
import type { KnownServer, ServerRegistry } from './registry.ts';

/** A server for its operator. It contains only the host and port of the URL. */
export interface ServerInfo {
  readonly name: string;
  /** Null if the URL cannot be decrypted because it was stored with another ROLE_SECRET. */
  readonly host: string | null;
  readonly port: number | null;
  /** Host and port of the pooler for its tenants' requests; null if they connect directly. */
  readonly pooler: string | null;
  readonly tenantCount: number;
  /**
   * Connections that one process of the installation may open to it: as many as the one that may open the most. If none runs, what
   * the settings of this process allow.
   */
  readonly connectionBudget: number;
  /** Open connections of all clients of the server, whichever program they are. Null if it does not answer. */
  readonly connections: number | null;
  /** How many connections the server allows. Null if it does not answer. */
  readonly maxConnections: number | null;
  /** How many of these PostgreSQL reserves, such as for superusers. Null if it does not answer. */
  readonly reservedConnections: number | null;
  /** The servers and workers of this installation that run now. */
  readonly processes: number;
  /** Connections that all of them together may open to it. */
  readonly processConnections: number;
  readonly acceptsTenants: boolean;
  readonly answers: boolean;
  /** Why it does not answer, or why tenants' requests cannot go through its pooler. */
  readonly error: string | null;
}

/** What listing servers needs. */
export interface ListServersOptions {
  readonly catalog: Catalog;
  readonly servers: ServerRegistry;
  readonly poolers: Pick<PoolerWatch, 'find'>;
}

/** Lists all servers in the order in which they were added, asks each of them about its connections, and tries its pooler. */
export async function listServers({ catalog, servers, poolers }: ListServersOptions): Promise<readonly ServerInfo[]> {
  await servers.refresh();
  const counts = await catalog.use(countTenants);
  const budgets = await catalog.use(readTogether);
  return Promise.all(
    servers
      .known()
      .map((known) =>
        infoOf(known, counts.get(known.row.name) ?? 0, budgets.get(known.row.name) ?? noBudgets, poolers),
      ),
  );
}

async function infoOf(
  { row, server }: KnownServer,
  tenantCount: number,
  { processes, connections, most }: Together,
  poolers: ListServersOptions['poolers'],
): Promise<ServerInfo> {
  const answer = await server.serving(readCapacity).catch((error: unknown) => connectFailure(error));
  const capacity = typeof answer === 'string' ? undefined : answer;
  // Another process may be trying the pooler.
  const problem = capacity && (await poolers.find(server).catch(() => undefined));
  return {
    name: row.name,
    host: server.host?.host ?? null,
    port: server.host?.port ?? null,
    pooler: server.pooler ? showHost(server.pooler) : null,
    tenantCount,
    connectionBudget: processes > 0 ? most : server.stats.max,
    connections: capacity?.open ?? null,
    maxConnections: capacity?.max ?? null,
    reservedConnections: capacity?.reserved ?? null,
    processes,
    processConnections: connections,
    acceptsTenants: row.acceptsTenants,
    answers: typeof answer !== 'string',
    error: typeof answer === 'string' ? answer : problem === undefined ? null : `its pooler cannot be used: ${problem}`,
  };
}
