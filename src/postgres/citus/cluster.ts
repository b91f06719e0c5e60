import type pg from 'pg';

/** A node of a Citus cluster on which schemas are put. */
export interface CitusNode {
  readonly host: string;
  readonly port: number;
  readonly isActive: boolean;
}

/** What a database knows of its Citus cluster. */
export interface CitusCluster {
  /** The version of the extension, such as `13.2-1`. */
  readonly version: string;
  /** Whether Citus spreads the schemas that this role creates over the nodes. */
  readonly distributesSchemas: boolean;
  /** The nodes that new schemas are put on. */
  readonly nodes: readonly CitusNode[];
}

/** The setting with which Citus puts each new schema on a node. */
export const schemaSetting = 'citus.enable_schema_based_sharding';

/** Whether a database has the extension Citus. */
export async function hasCitus(client: pg.Client): Promise<boolean> {
  const { rowCount } = await client.query(`SELECT FROM pg_extension WHERE extname = 'citus'`);
  return rowCount === 1;
}

/**
 * Reads what a database knows of its Citus cluster; undefined if it does not have the extension.
 * @see https://docs.citusdata.com/en/stable/develop/api_metadata.html
 */
export async function readCluster(client: pg.Client): Promise<CitusCluster | undefined> {
  if (!(await hasCitus(client))) return undefined;
  const { rows } = await client.query<CitusCluster>(
    `SELECT extversion AS version, coalesce(current_setting('${schemaSetting}', true)::boolean, false) AS "distributesSchemas",
       coalesce((
         SELECT json_agg(json_build_object('host', nodename, 'port', nodeport, 'isActive', isactive) ORDER BY nodename, nodeport)
         FROM pg_dist_node WHERE noderole = 'primary' AND shouldhaveshards), '[]') AS nodes
     FROM pg_extension WHERE extname = 'citus'`,
  );
  return rows[0];
}

/** How a node is named: its host and port, as Citus knows it. */
export function nodeAddress({ host, port }: Pick<CitusNode, 'host' | 'port'>): string {
  return `${host}:${port}`;
}

interface NodeAnswer {
  readonly nodename: string;
  readonly nodeport: number;
  readonly success: boolean;
  /** What the command returned, or its error. */
  readonly result: string;
}

/** A worker of a cluster has refused a statement. */
export class CitusWorkersError extends Error {
  override readonly name = 'CitusWorkersError';

  constructor(failed: readonly NodeAnswer[]) {
    const described = failed.map(
      ({ nodename, nodeport, result }) => `${nodeAddress({ host: nodename, port: nodeport })} answered: ${result}`,
    );
    super(`Workers of Citus have refused a statement: ${described.join('; ')}`);
  }
}

/**
 * Runs one statement in the same database on all workers of a cluster, as the current role, each in a transaction of its own.
 * @returns for each worker the first value that the statement returned, as text
 * @throws {CitusWorkersError} if one of them refuses it
 * @see https://docs.citusdata.com/en/stable/develop/api_udf.html#run-command-on-workers
 */
export async function onWorkers(client: pg.Client, sql: string): Promise<readonly string[]> {
  const { rows } = await client.query<NodeAnswer>(
    'SELECT nodename, nodeport, success, result FROM run_command_on_workers($1)',
    [sql],
  );
  const failed = rows.filter(({ success }) => !success);
  if (failed.length > 0) throw new CitusWorkersError(failed);
  return rows.map(({ result }) => result);
}
