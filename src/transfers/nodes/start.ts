import type { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { badInput } from '../../lib/errors.ts';
import { shortList } from '../../lib/short-list.ts';
import { nodeAddress, readCluster } from '../../postgres/citus/cluster.ts';
import { readSchemaNodes } from '../../postgres/citus/schemas.ts';
import { asOwner } from '../../tenants/as-owner.ts';
import { insertTransfer } from '../insert.ts';
import type { TransferOptions } from '../options.ts';

/** How many nodes a message names. */
const SHOWN = 10;

/**
 * Starts to move a tenant's schema to another node of its server's Citus cluster, and returns the transfer's id.
 * @throws {AppError} BAD_USER_INPUT if the tenant is not on a node, or the cluster has no such node; CONFLICT as `moveTenant`
 */
export async function startNodeMove(
  options: TransferOptions,
  tenant: Tenant,
  { node, online = false }: { readonly node: string; readonly online?: boolean | undefined },
  { requestedBy }: { readonly requestedBy: string | null },
): Promise<string> {
  const { key, isolation, server, database, schema } = tenant;
  const { cluster, from } = await asOwner(options.servers, tenant, async (client) => ({
    cluster: await readCluster(client),
    from: (await readSchemaNodes(client, [schema])).get(schema),
  }));
  if (!cluster || from === undefined) {
    throw badInput(
      'node',
      `The tenant ${tenant.slug} is not on a node of a Citus cluster, so it cannot be moved to another one. Only tenants with isolation SCHEMA on a server with Citus are on nodes.`,
    );
  }
  const nodes = cluster.nodes.filter(({ isActive }) => isActive).map(nodeAddress);
  if (!nodes.includes(node)) {
    throw badInput(
      'node',
      `The server ${server} has no node ${node} that can hold tenants. It has: ${shortList(nodes, SHOWN)}`,
    );
  }
  if (node === from) throw badInput('node', `The tenant ${tenant.slug} is on the node ${node} already`);
  const to = { key, isolation, server, database, schema };
  const nodesOf = { from, to: node };
  return insertTransfer(options, { kind: 'MOVE', tenant, to, nodes: nodesOf, online, keepHours: 0, requestedBy });
}
