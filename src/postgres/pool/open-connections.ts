import type pg from 'pg';
import type { ServerHost } from '../../config/server-hosts.ts';
import { ServerConnection } from './connection.ts';
import type { PoolOptions } from './pool.ts';
import { closed } from './pool-errors.ts';
import { markPooled } from './pooled-clients.ts';
import { PooledConnection } from './pooled-connection.ts';
import type { Slots } from './slots.ts';

/** The state of a pool within its server's pool. */
export interface PoolState {
  readonly options: PoolOptions;
  /** The number of connections that are open, being opened or being closed. */
  open: number;
  ended: boolean;
}

/** An open connection of a pool. */
export type Connection = PooledConnection<PoolState>;

/** Wraps every attempt to connect, and may reject it. */
export type Attempt = <T>(connect: () => Promise<T>, pool: PoolOptions) => Promise<T>;

/** The options of {@link OpenConnections}. */
export interface OpenConnectionsOptions {
  /** Each connection takes a slot from before it is opened until PostgreSQL has closed it. */
  readonly slots: Slots;
  /** Age at which a connection is replaced, in milliseconds. */
  readonly recycleMs: number;
  readonly attempt: Attempt | undefined;
  /** Called with the client of each new connection, before anyone uses it. */
  readonly onOpen: ((client: pg.Client) => void) | undefined;
  /** Called when a server that only reads has refused a change. */
  readonly onRefusedChange: (() => void) | undefined;
  /** Called when a caller releases a connection. `destroy` is true if it must be closed, also because it was lost. */
  readonly onRelease: (connection: Connection, destroy: boolean) => void;
  /** Called when a slot becomes free. */
  readonly onSlotFree: () => void;
}

/** Opens, tracks and closes the connections of a server's pool. It does not decide which caller gets them. */
export class OpenConnections implements Iterable<Connection> {
  readonly #options: OpenConnectionsOptions;
  /** Open connections, idle or in use. */
  readonly #open = new Set<Connection>();
  readonly #opening = new Map<Promise<unknown>, PoolState>();
  readonly #closing = new Map<Promise<unknown>, PoolState>();
  #generation = 0;
  #ended = false;

  constructor(options: OpenConnectionsOptions) {
    this.#options = options;
  }

  /** Iterates over the open connections, idle or in use. A connection that is closed meanwhile is skipped. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#open.values();
  }

  /** Whether {@link end} has been called. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Whether the connection is open and not being closed. */
  has(connection: Connection): boolean {
    return this.#open.has(connection);
  }

  /** Whether the connection may be acquired again. */
  isFresh(connection: Connection): boolean {
    return connection.isFresh(this.#generation, this.#options.recycleMs);
  }

  /** Makes all connections stale that are open or being opened. */
  invalidate(): void {
    this.#generation += 1;
  }

  /**
   * Takes a slot immediately, so that concurrent callers count it, and then opens a connection for the caller.
   * @throws {AppError} SERVER_BUSY if its pool or the server's pool was closed meanwhile
   */
  open(pool: PoolState): Promise<Connection> {
    pool.open += 1;
    this.#options.slots.take(pool.options.priority);
    const opening = this.#connect(pool).catch((error: unknown) => {
      this.#options.slots.markClosing(pool.options.priority);
      this.#freeSlot(pool);
      throw error;
    });
    this.#opening.set(opening, pool);
    const done = () => this.#opening.delete(opening);
    opening.then(done, done);
    return opening;
  }

  /** Closes a connection, even while it is in use. Its slot is freed once it is closed. Does nothing if it is not open. */
  close(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    const { session, pool } = connection;
    this.#options.slots.markClosing(pool.options.priority);
    const closing = session.end().then(() => {
      this.#closing.delete(closing);
      this.#freeSlot(pool);
    });
    this.#closing.set(closing, pool);
  }

  /** From now on, newly opened connections are closed immediately. */
  end(): void {
    this.#ended = true;
  }

  /** Waits for connections that are being opened, which are closed if their pool has ended, and for those being closed. */
  async settled(concerns: (pool: PoolState) => boolean): Promise<void> {
    const underWay = [...this.#opening, ...this.#closing].filter(([, pool]) => concerns(pool));
    await Promise.allSettled(underWay.map(([work]) => work));
  }

  async #connect(pool: PoolState): Promise<Connection> {
    const { attempt, onOpen, onRelease, onRefusedChange } = this.#options;
    const { connection: config, hosts, silenceMs, isPooled } = pool.options;
    const generation = this.#generation;
    let connection: Connection | undefined;
    const open = async (place?: ServerHost) => {
      // Kysely never releases a connection that breaks inside a transaction, so its slot is freed here.
      const lost = () => connection?.session === opened && onRelease(connection, true);
      const common = typeof config === 'function' ? config() : config;
      const refused = () => {
        if (place) hosts?.()?.demote(place);
        onRefusedChange?.();
      };
      const opened = new ServerConnection({ ...common, ...place }, lost, refused);
      if (isPooled?.()) markPooled(opened.client);
      await opened.open(silenceMs);
      onOpen?.(opened.client);
      return opened;
    };
    const openSomewhere = () => hosts?.()?.connect(open) ?? open();
    const session = await (attempt?.(openSomewhere, pool.options) ?? openSomewhere());
    if (this.#ended || pool.ended) {
      await session.end();
      throw closed();
    }
    connection = new PooledConnection(session, pool, generation, onRelease);
    this.#open.add(connection);
    return connection;
  }

  #freeSlot(pool: PoolState): void {
    pool.open -= 1;
    this.#options.slots.free(pool.options.priority);
    this.#options.onSlotFree();
  }
}
