import { isConnectionFailure } from '../sql/error-codes.ts';
import { watchChanges } from '../sql/watch-changes.ts';
import { type Pool, type PoolClient, usePoolClient } from './pool.ts';

/** Marks an error. MikroORM's errors have the properties of those that they are made of, and no cause. */
const mark = { isLostCommit: true } as const;

/** Whether an error, or one of its causes, is that of a change that may have been committed; see {@link noteLostCommits}. */
export function isLostCommit(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause)
    if ('isLostCommit' in current) return true;
  return false;
}

/**
 * Returns a pool whose errors can be asked with {@link isLostCommit}. They stay what they are, because code that repeats failed
 * work decides by them.
 */
export function noteLostCommits(pool: Pool): Pool {
  const watched = new WeakSet<PoolClient>();
  const watch = (client: PoolClient) => {
    if (watched.has(client)) return client;
    watched.add(client);
    const query: (...args: unknown[]) => unknown = client.query.bind(client);
    const mayCommit = watchChanges(client);
    return Object.assign(client, {
      query: (...args: unknown[]) => {
        const isChange = mayCommit(args[0]);
        const result = query(...args);
        if (!isChange || !(result instanceof Promise)) return result;
        return result.catch((error: unknown) => {
          throw error instanceof Error && isConnectionFailure(error) ? Object.assign(error, mark) : error;
        });
      },
    });
  };
  const connect = async (signal?: AbortSignal) => watch(await pool.connect(signal));
  return { ...pool, connect, use: (work, signal) => usePoolClient(connect, work, signal) };
}
