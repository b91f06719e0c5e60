import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';
import type { Pool } from '../postgres/pool/pool.ts';
import { queryPrepared } from '../postgres/sql/prepared.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { OperationScope } from './operation-scope.ts';

/** A statement that reads a tenant's tables and returns one text. */
export interface TenantStatement {
  /** The name under which it may be prepared; undefined for a statement that will hardly come again. */
  readonly name: string | undefined;
  readonly values: unknown[];
  /** Returns the text for the tenant's schema, which is quoted. */
  text(schema: string): string;
}

/**
 * Runs a statement as the tenant's role. Like the queries of entity managers, it then waits for the operation's turn to
 * process the result, without holding the connection.
 * @param em an entity manager of the operation; the statement takes part in its transaction, if it has one
 */
export async function runTenantStatement(
  pool: Pool,
  schema: string,
  { name, values, text }: TenantStatement,
  em?: EntityManager,
): Promise<string | null> {
  const sql = text(quoteIdentifier(schema));
  if (em?.isInTransaction()) {
    const { rows } = await em.getKysely<object>().executeQuery<{ text: string | null }>(CompiledQuery.raw(sql, values));
    return rows[0]?.text ?? null;
  }
  const [row] = await pool.use((client) => queryPrepared(client, { name, text: sql, values }));
  await OperationScope.current?.turn();
  return row?.[0] ?? null;
}
