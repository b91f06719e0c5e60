import { ServerConnection } from './connection.ts';
import type { PoolOptions } from './pool.ts';
import { closed } from './pool-errors.ts';
import { PooledConnection } from './pooled-connection.ts';
import type { Slots } from './slots.ts';

/** A lane as its budget has it. */
export interface PoolState {
  readonly options: PoolOptions;
  /** Connections that are open, being opened or being closed. */
  open: number;
  ended: boolean;
}

/** An open connection of a lane. */
export type Connection = PooledConnection<PoolState>;

/** What opening and closing connections needs. */
export interface OpenConnectionsOptions {
  /** Where each connection has a place from before it is opened until PostgreSQL has let go of it. */
  readonly slots: Slots;
  /** Age at which a connection is replaced, in milliseconds. */
  readonly recycleMs: number;
  /** Goes around every attempt to connect, and may refuse it. */
  readonly attempt: (<T>(connect: () => Promise<T>) => Promise<T>) | undefined;
  /** Called when a caller gives a connection back; with `destroy`, as also when it is lost, it is to be closed. */
  readonly onRelease: (connection: Connection, destroy: boolean) => void;
  /** Called when a place has come free. */
  readonly onSlotFree: () => void;
}

/** The connections of a budget, from before they are opened until they are closed. Who gets them is not for it to say. */
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

  /** Those that are open, idle or in use. One that is closed meanwhile is gone from it at once. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#open.values();
  }

  /** Whether {@link end} has been called. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Whether it is open, and not being closed. */
  has(connection: Connection): boolean {
    return this.#open.has(connection);
  }

  /** Whether it may be lent again. */
  isFresh(connection: Connection): boolean {
    return connection.isFresh(this.#generation, this.#options.recycleMs);
  }

  /** From now on those are not fresh that are open or being opened. */
  invalidate(): void {
    this.#generation += 1;
  }

  /**
   * Takes the place at once, so that callers that come meanwhile count it, and then opens a connection, which is lent.
   * @throws {AppError} SERVER_BUSY if its lane, or everything, has ended meanwhile
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

  /** Closes a connection, whatever it does; its place is free when that is done. Nothing happens if it is not open. */
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

  /** From now on what has been opened is closed at once, and not lent. */
  end(): void {
    this.#ended = true;
  }

  /** Waits for what is being opened, which is closed when its lane has ended meanwhile, and for what is being closed. */
  async settled(concerns: (pool: PoolState) => boolean): Promise<void> {
    const underWay = [...this.#opening, ...this.#closing].filter(([, pool]) => concerns(pool));
    await Promise.allSettled(underWay.map(([work]) => work));
  }

  async #connect(pool: PoolState): Promise<Connection> {
    const { attempt, onRelease } = this.#options;
    const { connection: config, silenceMs } = pool.options;
    const generation = this.#generation;
    let connection: Connection | undefined;
    const open = async () => {
      // Kysely never gives a connection back that breaks inside a transaction: its place is free without that.
      const lost = () => connection?.session === opened && onRelease(connection, true);
      const opened = new ServerConnection(typeof config === 'function' ? config() : config, lost);
      await opened.open(silenceMs);
      return opened;
    };
    const session = await (attempt?.(open) ?? open());
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
