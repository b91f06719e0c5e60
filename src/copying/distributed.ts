import { AppError } from '../lib/errors.ts';
import { isDistributed } from '../postgres/citus/schemas.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { SchemaSession } from './session.ts';

/**
 * Checks that Citus has not put a schema on a node. Several connections cannot read such tables as of one moment, and the coordinator
 * does not know their sizes.
 * @throws {AppError} CONFLICT
 */
export async function refuseDistributed({ client, place: { schema } }: SchemaSession): Promise<void> {
  if (!(await isDistributed(client, schema))) return;
  throw new AppError(
    'CONFLICT',
    `Citus has put the schema ${schema} on a node, so it cannot be copied. To move it to another node, name the node. For anything else, take it from the nodes before, and put it back on one afterwards: SELECT citus_schema_undistribute(${quoteLiteral(schema)}) and SELECT citus_schema_distribute(${quoteLiteral(schema)}), in the shared database.`,
  );
}
