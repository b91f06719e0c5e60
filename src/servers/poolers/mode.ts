import pg from 'pg';

/**
 * What a pooler does with a session of PostgreSQL: `transaction`, it gives it to another client after each transaction; `session`, the
 * client keeps it; `none`, there is no pooler, but PostgreSQL itself.
 */
export type PoolerMode = 'transaction' | 'session' | 'none';

/** How long the second client may wait for a session, in milliseconds. In session mode there may be only one. */
const SECOND_MS = 2_000;

/**
 * Finds out the mode of a pooler, with a second client beside one that is connected and in no transaction.
 * @param connection that of both clients
 * @returns undefined if the second client got no session
 */
export async function findMode(first: pg.Client, connection: pg.ClientConfig): Promise<PoolerMode | undefined> {
  const process = await processOf(first);
  // A pooler gives each client a number of its own. The types of node-postgres lack it.
  if (process === Reflect.get(first, 'processID')) return 'none';
  const second = new pg.Client({ ...connection, query_timeout: SECOND_MS });
  second.on('error', () => undefined);
  try {
    await second.connect();
    // Poolers take the session that was released last.
    return (await processOf(second)) === process ? 'transaction' : 'session';
  } catch {
    return undefined;
  } finally {
    await second.end();
  }
}

async function processOf(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ process: number }>('SELECT pg_backend_pid() AS process');
  return rows[0]?.process;
}
