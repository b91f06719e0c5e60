import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { isPooled } from '../pool/pooled-clients.ts';
import { quoteIdentifier } from './quote.ts';

/** How many statements stay prepared on a connection. Each takes up to 100 kB of memory in PostgreSQL. */
const MAX_PREPARED = 50;

/** The names of the statements that are prepared on each connection, most recently used first. */
const prepared = new WeakMap<pg.Client, LRUCache<string, true>>();

/** A statement of the extended protocol. */
export interface PreparedQuery {
  /** Identifies the text; undefined for a statement that is not worth keeping. */
  readonly name: string | undefined;
  readonly text: string;
  readonly values: unknown[];
}

/**
 * Runs a statement whose columns are texts. A statement with a name stays prepared while it is among the last ones used. Behind a
 * pooler none is: the session that comes next would not know it, and one that has it would refuse to prepare it again.
 */
export async function queryPrepared(client: pg.Client, query: PreparedQuery): Promise<(string | null)[][]> {
  const { name, text, values } = query;
  if (name === undefined || isPooled(client))
    return (await client.query<(string | null)[]>({ text, values, rowMode: 'array' })).rows;
  const names = prepared.get(client) ?? new LRUCache({ max: MAX_PREPARED, dispose: (_, old) => forget(client, old) });
  prepared.set(client, names);
  names.set(name, true);
  return (await client.query<(string | null)[]>({ name, text, values, rowMode: 'array' })).rows;
}

/** Frees the memory of a statement, before the next one runs on the connection. */
function forget(client: pg.Client, name: string): void {
  // Otherwise node-postgres would believe that it is still prepared. Its types lack the field.
  const { parsedStatements } = client.connection as typeof client.connection & {
    parsedStatements: Record<string, string>;
  };
  delete parsedStatements[name];
  // It fails only if the connection is lost, or the statement could not be prepared.
  client.query(`DEALLOCATE ${quoteIdentifier(name)}`).catch(() => undefined);
}
