import { IdleConnections } from './idle-connections.ts';
import { type Connection, OpenConnections, type PoolState } from './open-connections.ts';
import { type Pool, type PoolOptions, type Priority, usePoolClient } from './pool.ts';
import { busy, closed } from './pool-errors.ts';
import { type SlotCounts, Slots } from './slots.ts';
import { type Waiter, WaitQueue } from './wait-queue.ts';

/** The limits of one process on one PostgreSQL server. */
export interface ServerPoolOptions {
  /** Connections open at once, those being opened or closed included. */
  readonly max: number;
  /** How many of them only `system` lanes may use, so that work that holds a tenant's connection can always end. */
  readonly reserved: number;
  /** How long a caller waits for a connection, in milliseconds. */
  readonly waitMs: number;
  /** Age at which a connection is replaced, in milliseconds. */
  readonly recycleMs: number;
  /** Idle time after which a connection is closed, in milliseconds. */
  readonly idleMs: number;
  /** Goes around every attempt to connect, and may refuse it. */
  readonly attempt?: <T>(connect: () => Promise<T>) => Promise<T>;
}

/** What a budget holds at this moment. */
export interface ServerPoolStats {
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
}

/** A waiter that is older than this goes before one that could use the connection as it is. */
const FAIRNESS_MS = 100;

/**
 * All connections that this process holds on one PostgreSQL server. There are never more than `max`: when they are spent,
 * the one that has been idle longest, whichever lane's, is closed to make room, and when none is idle the caller waits.
 *
 * Whoever wants a connection stands in one line. Whatever changes what can be had (a connection comes back, a place comes
 * free) goes through the line once, the longest waiting first.
 */
export class ServerPool {
  readonly #slots: Slots;
  readonly #waiting: WaitQueue<PoolState, Connection>;
  readonly #connections: OpenConnections;
  readonly #idle = new IdleConnections<PoolState, Connection>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: ServerPoolOptions) {
    const { max, reserved, waitMs, recycleMs, idleMs, attempt } = options;
    this.#slots = new Slots(max, reserved);
    this.#connections = new OpenConnections({
      slots: this.#slots,
      recycleMs,
      attempt,
      onRelease: (connection, destroy) => this.#release(connection, destroy),
      onSlotFree: () => this.#serve(),
    });
    this.#waiting = new WaitQueue(waitMs, () => busy(`No database connection came free within ${waitMs} ms`));
    this.#sweeper = setInterval(
      () => {
        for (const connection of this.#idle.expired(idleMs)) this.#close(connection);
      },
      Math.min(idleMs, 5_000),
    ).unref();
  }

  /** The limit. */
  get max(): number {
    return this.#slots.max;
  }

  /** Counts for health checks and tests. */
  get stats(): ServerPoolStats {
    return { open: this.#slots.taken, idle: this.#idle.size, waiting: this.#waiting.size };
  }

  /** Makes a lane, which costs no connection until it is used. */
  pool(options: PoolOptions): Pool {
    const pool: PoolState = { options, open: 0, ended: false };
    const connect = async (signal?: AbortSignal) => (await this.#acquire(pool, signal)).client;
    return {
      connect,
      use: (work, signal) => usePoolClient(connect, work, signal),
      end: () => this.#endPool(pool),
    };
  }

  /**
   * From now on there are at most `max` connections, and all are opened anew: those that are idle close now, those in use
   * when they come back.
   */
  renew(max: number): void {
    this.#slots.max = max;
    this.#connections.invalidate();
    for (const connection of [...this.#idle]) this.#close(connection);
    this.#serve();
  }

  /** Closes every connection, those in use too, and cancels what they do; callers that wait get an error. */
  async close(): Promise<void> {
    this.#connections.end();
    clearInterval(this.#sweeper);
    for (const waiter of this.#waiting) waiter.refuse(busy('The server is shutting down'));
    for (const connection of this.#connections) this.#close(connection);
    await this.#connections.settled(() => true);
  }

  async #endPool(pool: PoolState): Promise<void> {
    pool.ended = true;
    for (const waiter of this.#waiting) if (waiter.request === pool) waiter.refuse(closed());
    for (const connection of this.#idle.of(pool)) this.#close(connection);
    await this.#connections.settled((owner) => owner === pool);
  }

  async #acquire(pool: PoolState, signal?: AbortSignal): Promise<Connection> {
    if (this.#connections.hasEnded || pool.ended) throw closed();
    const idle = this.#takeIdle(pool);
    if (idle) return idle;
    const acquired = this.#waiting.enqueue(pool, signal);
    // Who has to wait for a connection of its own lane changes nothing for those who wait already.
    if (pool.open < pool.options.max) this.#serve();
    return acquired;
  }

  /** Gives what is free to those who wait, and closes idle connections of other lanes for those who need their place. */
  #serve(): void {
    const promised: SlotCounts = { system: 0, tenant: 0 };
    for (const waiter of this.#waiting) {
      const pool = waiter.request;
      const { max, priority } = pool.options;
      const idle = this.#takeIdle(pool);
      if (idle) waiter.resolve(() => idle);
      else if (pool.open >= max) continue;
      else if (this.#slots.hasRoomFor(priority)) waiter.resolve(() => this.#connections.open(pool));
      // A connection that is being closed already may give this waiter its place, if nobody before it takes that.
      else if (this.#slots.willHaveRoomFor(priority, promised) || this.#evictFor(priority, promised)) {
        promised[priority] += 1;
      }
    }
  }

  #takeIdle(pool: PoolState): Connection | undefined {
    for (const idle of this.#idle.of(pool).toReversed()) {
      if (this.#connections.isFresh(idle)) {
        this.#idle.remove(idle);
        return idle.acquire();
      }
      this.#close(idle);
    }
    return undefined;
  }

  /** Closes the connection that has been idle longest, of those whose place may be taken; gives whether there was one. */
  #evictFor(priority: Priority, promised: SlotCounts): boolean {
    const onlyTenants = this.#slots.willBeBeyondShare(priority, promised);
    for (const connection of this.#idle) {
      if (onlyTenants && connection.pool.options.priority !== 'tenant') continue;
      this.#close(connection);
      return true;
    }
    return false;
  }

  #release(connection: Connection, destroy: boolean): void {
    if (destroy) this.#close(connection);
    else if (connection.session.isQuiet) this.#keep(connection);
    else void connection.session.settle().then(() => this.#keep(connection));
  }

  /** Keeps a connection for the next caller, or closes it if it cannot be used again. */
  #keep(connection: Connection): void {
    const { pool, session } = connection;
    if (!this.#connections.has(connection)) return;
    const { keepIdle, keepFailed } = pool.options;
    const isUnwanted = pool.ended || keepIdle === false || (keepFailed === false && session.hasFailed);
    if (isUnwanted || !session.isReusable || !this.#connections.isFresh(connection)) {
      this.#close(connection);
      return;
    }
    const next = this.#nextFor(pool);
    if (next) {
      next.resolve(() => connection.acquire());
      return;
    }
    this.#idle.add(connection);
    this.#serve();
  }

  /** The waiter of this lane who may go first, since nobody who would need another connection has waited long. */
  #nextFor(pool: PoolState): Waiter<PoolState, Connection> | undefined {
    const patience = Date.now() - FAIRNESS_MS;
    for (const waiter of this.#waiting) {
      if (waiter.request === pool) return waiter;
      if (waiter.since < patience && waiter.request.open < waiter.request.options.max) return undefined;
    }
    return undefined;
  }

  /** Closes a connection, whatever it does; its place is free when that is done. */
  #close(connection: Connection): void {
    this.#idle.remove(connection);
    this.#connections.close(connection);
  }
}
