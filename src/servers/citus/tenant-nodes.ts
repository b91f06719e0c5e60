import type pg from 'pg';
import { nodeAddress, readCluster } from '../../postgres/citus/cluster.ts';
import { readSchemaNodes } from '../../postgres/citus/schemas.ts';
import type { PostgresServer, Servers } from '../../postgres/server.ts';
import { sqlState, sqlStateOf } from '../../postgres/sql/error-codes.ts';
import type { Placement } from '../../routing/placement.ts';
import { tenantSchemaPattern } from '../shared/schema-dependents.ts';

/** A node of a server's Citus cluster that can hold tenants' schemas. */
export interface ServerNode {
  /** Its host and port. */
  readonly address: string;
  readonly isActive: boolean;
  readonly tenantCount: number;
}

/**
 * Finds the nodes that have the tables of tenants, with one connection for each shared database.
 * @returns the nodes in the order of the placements; undefined for one on no node, or on a server that does not answer
 */
export async function readNodesOf(
  servers: Pick<Servers, 'get'>,
  placements: readonly Placement[],
): Promise<readonly (string | undefined)[]> {
  // A tenant with a database of its own is on no node.
  const inShared = placements.filter(({ schema }) => schema !== 'public');
  const byDatabase = Map.groupBy(inShared, ({ server, database }) => JSON.stringify([server, database]));
  const nodes = new Map<string, ReadonlyMap<string, string>>();
  await Promise.all(
    [...byDatabase].map(async ([key, [first, ...others]]) => {
      const server = first && servers.get(first.server);
      if (!server || server.isDown || !server.canAdminister) return;
      const schemas = [first, ...others].map(({ schema }) => schema);
      const found = await server
        .owner(first.database, (client) => readSchemaNodes(client, schemas))
        .catch(() => undefined);
      if (found) nodes.set(key, found);
    }),
  );
  return placements.map(({ server, database, schema }) => nodes.get(JSON.stringify([server, database]))?.get(schema));
}

/** Reads the nodes of a server's Citus cluster; none if its shared database does not have the extension, or does not answer. */
export async function readServerNodes(server: PostgresServer, shared: string): Promise<readonly ServerNode[]> {
  if (server.isDown || !server.canAdminister) return [];
  return server.owner(shared, countTenants).catch((error: unknown) => {
    if (sqlStateOf(error) === sqlState.invalidCatalogName || server.isDown) return [];
    throw error;
  });
}

async function countTenants(client: pg.Client): Promise<readonly ServerNode[]> {
  const cluster = await readCluster(client);
  if (!cluster) return [];
  const { rows } = await client.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname ~ '${tenantSchemaPattern}'`,
  );
  const nodes = await readSchemaNodes(
    client,
    rows.map(({ name }) => name),
  );
  const counts = Map.groupBy(nodes.values(), (node) => node);
  return cluster.nodes.map((node) => {
    const address = nodeAddress(node);
    return { address, isActive: node.isActive, tenantCount: counts.get(address)?.length ?? 0 };
  });
}
