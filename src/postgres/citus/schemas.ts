import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../sql/quote.ts';
import { hasCitus, nodeAddress } from './cluster.ts';

/**
 * Finds the nodes of a Citus cluster that have the tables of schemas. Schemas on the coordinator alone, and those without tables, are
 * left out.
 * @returns the addresses of the nodes, by schema; empty if the database does not have the extension
 */
export async function readSchemaNodes(
  client: pg.Client,
  schemas: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (!(await hasCitus(client))) return new Map();
  const { rows } = await client.query<{ schema: string; host: string; port: number }>(
    `SELECT DISTINCT nspname AS schema, nodename AS host, nodeport AS port
     FROM pg_namespace n JOIN pg_dist_schema d ON d.schemaid = n.oid JOIN pg_dist_partition p ON p.colocationid = d.colocationid
       JOIN pg_dist_shard s ON s.logicalrelid = p.logicalrelid JOIN pg_dist_placement l ON l.shardid = s.shardid
       JOIN pg_dist_node o ON o.groupid = l.groupid AND noderole = 'primary'
     WHERE nspname = ANY ($1)`,
    [schemas],
  );
  return new Map(rows.map(({ schema, ...node }) => [schema, nodeAddress(node)]));
}

/** Whether Citus has put a schema on a node. */
export async function isDistributed(client: pg.Client, schema: string): Promise<boolean> {
  if (!(await hasCitus(client))) return false;
  const { rowCount } = await client.query(
    `SELECT FROM pg_dist_schema WHERE schemaid = ${quoteLiteral(quoteIdentifier(schema))}::regnamespace`,
  );
  return rowCount === 1;
}

/** How a schema is moved: while it is written to, or with writes waiting until it has moved. */
export type SchemaMoveMode = 'auto' | 'block_writes';

/**
 * Moves a schema to another node of its Citus cluster.
 * @param client the owner's connection, outside a transaction
 * @throws {pg.DatabaseError} if a table has no primary key, which `auto` needs
 * @see https://docs.citusdata.com/en/stable/develop/api_udf.html#citus-schema-move
 */
export async function moveSchema(
  client: pg.Client,
  schema: string,
  node: { readonly host: string; readonly port: number },
  mode: SchemaMoveMode,
): Promise<void> {
  await client.query('SELECT citus_schema_move($1::regnamespace, $2, $3, $4::citus.shard_transfer_mode)', [
    quoteIdentifier(schema),
    node.host,
    node.port,
    mode,
  ]);
}
