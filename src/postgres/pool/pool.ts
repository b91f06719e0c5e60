import type pg from 'pg';
import type { HostList } from './host-list.ts';

/**
 * Which slots of a server a pool may use. A priority leaves slots to those that its callers may wait for meanwhile (`slots.ts`):
 *
 * - `system`: all. For short queries of the system databases: nobody who holds such a connection waits for another one.
 * - `tenant`: all but the reserved ones. For connections to tenants' databases and schemas, as their role or as the owner.
 * - `admin`: all but those for `system` alone, and one that is left to tenants. For the administration of roles and databases.
 */
export type Priority = 'system' | 'tenant' | 'admin';

/** The options of a pool. Its connections share one database, one role and one set of session settings. */
export interface PoolOptions {
  /** A function if the address may change. */
  readonly connection: pg.ClientConfig | (() => pg.ClientConfig);
  /** Where to connect, if the server may be at several places. By default, the place in `connection`. */
  readonly hosts?: () => HostList | undefined;
  /** The maximum number of open connections. */
  readonly max: number;
  readonly priority: Priority;
  /** False to close connections when they are released, for one-off work. */
  readonly keepIdle?: boolean;
  /**
   * False to close a connection on release if a statement on it has failed. Use this for statements that are not ours: their
   * effects on the session, such as session-level locks, are not undone.
   */
  readonly keepFailed?: boolean;
  /** Whether its callers wait for a connection as long as it takes. By default they wait as long as the server's pool says. */
  readonly isPatient?: boolean | undefined;
  /** Whether new connections go through a pooler, which may give each transaction another session. */
  readonly isPooled?: () => boolean;
  /**
   * How long PostgreSQL may send nothing while a query is running before the connection counts as lost, in milliseconds.
   * Unlimited if not set.
   */
  readonly silenceMs?: number | undefined;
}

/** An acquired connection, which the caller must release. */
export interface PoolClient extends pg.Client {
  /**
   * Releases the connection. With `true`, or if it is in a transaction, it is closed instead. A lost connection need not be
   * released: its slot is freed when PostgreSQL has closed it.
   */
  release(destroy?: boolean): void;
  /** Whether the connection works, runs no query and is in no transaction. */
  isReusable(): boolean;
}

/** A pool of connections to one database as one role, within the limits of its server's pool. */
export interface Pool {
  /**
   * Acquires a connection. A caller that holds a connection of a `system` pool must not wait for another one.
   * @param signal stops waiting
   * @throws {AppError} SERVER_BUSY if no connection became free in time
   * @throws the signal's reason
   */
  connect(signal?: AbortSignal): Promise<PoolClient>;
  /**
   * Acquires a connection for the duration of `work`. If `work` fails, the connection is closed.
   * @param signal aborts the work: its statement is cancelled, and `use` throws the signal's reason
   */
  use<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /**
   * Closes this pool's connections: idle ones immediately, those in use when they are released. Waiting callers get
   * SERVER_BUSY. Resolves when all connections that are not in use are closed.
   */
  end(): Promise<void>;
}

/** See {@link Pool.use}. */
export async function usePoolClient<T>(
  connect: (signal?: AbortSignal) => Promise<PoolClient>,
  work: (client: pg.Client) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const client = await connect(signal);
  const ended = Promise.withResolvers<never>();
  const end = () => ended.reject(signal?.reason);
  signal?.addEventListener('abort', end);
  let failed = true;
  try {
    signal?.throwIfAborted();
    const result = await Promise.race([work(client), ended.promise]);
    failed = false;
    return result;
  } finally {
    signal?.removeEventListener('abort', end);
    client.release(failed);
  }
}
