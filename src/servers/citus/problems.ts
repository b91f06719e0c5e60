import { type CitusCluster, nodeAddress, readCluster, schemaSetting } from '../../postgres/citus/cluster.ts';
import type { PostgresServer } from '../../postgres/server.ts';
import { quoteIdentifier } from '../../postgres/sql/quote.ts';

/** The first version of Citus with {@link schemaSetting}. */
const FIRST_VERSION = 12;

/** A problem of a cluster, and what to do about it. */
export interface ClusterProblem {
  readonly message: string;
  readonly remedy: string;
}

/** Finds what a cluster lacks to hold tenants. */
export function problemsOf(
  { version, distributesSchemas, nodes }: CitusCluster,
  server: string,
  database: string,
): readonly ClusterProblem[] {
  const where = `The database ${database} on the server ${server}`;
  if (Number.parseInt(version, 10) < FIRST_VERSION) {
    return [
      {
        message: `${where} has Citus ${version}, which cannot put tenants' schemas on nodes, so they stay on its coordinator`,
        remedy: `Upgrade it to Citus ${FIRST_VERSION} or newer; see docs/citus.md`,
      },
    ];
  }
  const inactive = nodes.filter(({ isActive }) => !isActive).map(nodeAddress);
  return [
    ...(distributesSchemas
      ? []
      : [
          {
            message: `${where} has Citus, but new tenants' schemas stay on its coordinator`,
            remedy: `To put them on nodes: ALTER DATABASE ${quoteIdentifier(database)} SET ${schemaSetting} = on; see docs/citus.md`,
          },
        ]),
    ...(nodes.length > 0
      ? []
      : [
          {
            message: `${where} has Citus, but its cluster has no node that can hold tenants${distributesSchemas ? ', so none with isolation SCHEMA can be created' : ''}`,
            remedy: `Run SELECT citus_add_node('HOST', PORT) there for each worker; see docs/citus.md`,
          },
        ]),
    ...(inactive.length === 0
      ? []
      : [
          {
            message: `${where} has nodes of Citus that are not active: ${inactive.join(', ')}`,
            remedy: `Run SELECT citus_activate_node('HOST', PORT) there for each`,
          },
        ]),
  ];
}

/**
 * Checks whether a server's shared database has a Citus cluster, when the server is added.
 * @returns what to tell about it: the nodes, and what is missing; empty where Citus is not
 */
export async function describeCluster(server: PostgresServer, shared: string): Promise<readonly string[]> {
  const cluster = await server.owner(shared, readCluster);
  if (!cluster) return [];
  const nodes = cluster.nodes.map(nodeAddress).join(', ');
  const problems = problemsOf(cluster, server.name, shared).map(({ message, remedy }) => `${message}. ${remedy}.`);
  return [`It has a Citus cluster (${cluster.version}) with the nodes: ${nodes || 'none'}.`, ...problems];
}
