import type pg from 'pg';

/** Who may use the places that a budget reserves: `system` lanes may, `tenant` lanes may not. */
export type Priority = 'system' | 'tenant';

/** Connections that are alike: one database, one role, one set of session settings. */
export interface PoolOptions {
  /** A function where it may change. */
  readonly connection: pg.ClientConfig | (() => pg.ClientConfig);
  /** Connections of this lane open at once. */
  readonly max: number;
  readonly priority: Priority;
  /** False for work that comes once: its connection is closed when it is given back. */
  readonly keepIdle?: boolean;
  /**
   * False where statements are not ours: a connection on which one has failed is closed when it is given back, for what that
   * one did to the session, such as locks that outlive a transaction, is not undone.
   */
  readonly keepFailed?: boolean;
  /**
   * How long PostgreSQL may say nothing while it is asked something, in milliseconds; then the connection counts as lost.
   * Without it, as long as it takes.
   */
  readonly silenceMs?: number | undefined;
}

/** A connection lent to a caller, who must give it back. */
export interface PoolClient extends pg.Client {
  /**
   * Gives the connection back; with `true`, or when it is in a transaction, it is closed instead. One that is lost need not
   * be given back: its place is free when PostgreSQL has ended it.
   */
  release(destroy?: boolean): void;
}

/** Connections to one database as one role, out of a server's budget. */
export interface Pool {
  /**
   * Lends a connection. Whoever holds a connection of a `system` lane must not wait for another one.
   * @param signal ends the waiting for one
   * @throws {AppError} SERVER_BUSY when none came free in time; and the signal's reason
   */
  connect(signal?: AbortSignal): Promise<PoolClient>;
  /**
   * Lends a connection for the duration of `work`. It is closed, not kept, when `work` fails.
   * @param signal ends the work, whatever it waits for: its statement is cancelled, and `use` throws the signal's reason
   */
  use<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /**
   * Closes this lane's connections: those in use when they come back, all others at once. Callers that wait get SERVER_BUSY.
   * Resolves when those are gone that are not in use.
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
