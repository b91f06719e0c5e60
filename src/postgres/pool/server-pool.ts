import type pg from 'pg';
import { IdleConnections } from './idle-connections.ts';
import { type Attempt, type Connection, OpenConnections, type PoolState } from './open-connections.ts';
import { type Pool, type PoolOptions, type Priority, usePoolClient } from './pool.ts';
import { busy, closed } from './pool-errors.ts';
import { SeveralConnections } from './several-connections.ts';
import { noSlots, type SlotCounts, Slots } from './slots.ts';
import { type Waiter, WaitQueue } from './wait-queue.ts';

/** The limits of one process on one PostgreSQL server. */
export interface ServerPoolOptions {
  /** The maximum number of connections, including those being opened or closed. */
  readonly max: number;
  /** How many of them `tenant` pools cannot use, so that work that holds a tenant's connection can always finish. */
  readonly reserved: number;
  /** How long a caller waits for a connection, in milliseconds. */
  readonly waitMs: number;
  /** How long work that needs more connections than `max` allows waits for a higher limit, in milliseconds; by default not at all. */
  readonly growMs?: number;
  /** Age at which a connection is replaced, in milliseconds. */
  readonly recycleMs: number;
  /** Idle time after which a connection is closed, in milliseconds. */
  readonly idleMs: number;
  readonly attempt?: Attempt;
  /** Called with the client of each new connection, before anyone uses it. */
  readonly onOpen?: (client: pg.Client) => void;
  /** Called when a server that only reads has refused a change. */
  readonly onRefusedChange?: () => void;
  /** Called when a caller for whom no connection was idle has got one, with how long that took, in milliseconds. */
  readonly onWaited?: (ms: number) => void;
  /** Called when a caller has waited in vain. */
  readonly onLate?: () => void;
}

/** The current state of a server's pool. */
export interface ServerPoolStats {
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
}

/** A waiter that has waited longer than this takes precedence over one that could reuse the connection, in milliseconds. */
const FAIRNESS_MS = 100;

/**
 * All connections of this process to one PostgreSQL server, shared by the pools of its databases and roles. There are never
 * more than `max`. At the limit, the connection that has been idle longest is closed, of whichever pool, to make room. If none is idle, the
 * caller waits.
 *
 * All callers wait in one queue. When a connection is released or a slot becomes free, the queue is served once, the longest
 * waiting caller first.
 */
export class ServerPool {
  /** Admits work that holds several connections of `tenant` pools at once, such as copies. It leaves one to others. */
  readonly several: SeveralConnections;
  readonly #slots: Slots;
  readonly #waiting: WaitQueue<PoolState, Connection>;
  readonly #connections: OpenConnections;
  readonly #idle = new IdleConnections<PoolState, Connection>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #onWaited: ((ms: number) => void) | undefined;

  constructor(options: ServerPoolOptions) {
    const { max, reserved, waitMs, recycleMs, idleMs, attempt, onOpen, onLate, onRefusedChange } = options;
    this.#onWaited = options.onWaited;
    this.#slots = new Slots(max, reserved);
    this.several = new SeveralConnections({
      capacity: () => this.#slots.mostForTenants - 1,
      limitFor: (count) => this.#slots.limitFor({ ...noSlots(), tenant: count + 1 }),
      growMs: options.growMs ?? 0,
    });
    this.#connections = new OpenConnections({
      slots: this.#slots,
      recycleMs,
      attempt,
      onOpen,
      onRefusedChange,
      onRelease: (connection, destroy) => this.#release(connection, destroy),
      onSlotFree: () => this.#serve(),
    });
    this.#waiting = new WaitQueue(waitMs, () => {
      onLate?.();
      return busy(`No database connection came free within ${waitMs} ms`);
    });
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

  /** How large a limit there is use for now: the connections in use, those that callers wait for, and the reserved ones. */
  get demand(): number {
    const demand = this.#slots.counts;
    for (const { pool } of this.#idle) demand[pool.options.priority] -= 1;
    const waiting = new Map<PoolState, number>();
    for (const { request } of this.#waiting) waiting.set(request, (waiting.get(request) ?? 0) + 1);
    // Callers limited by their own pool have no use for more.
    for (const [{ options, open }, count] of waiting) demand[options.priority] += Math.min(count, options.max - open);
    return Math.max(this.#slots.limitFor(demand), this.several.demand);
  }

  /** Creates a pool. It opens no connection until it is used. */
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
   * Changes the limit to `max` and replaces all connections: idle ones are closed immediately, those in use when they are
   * released.
   */
  renew(max: number): void {
    this.#slots.max = max;
    this.#connections.invalidate();
    for (const connection of [...this.#idle]) this.#close(connection);
    this.#serve();
    this.several.serve();
  }

  /** Changes the limit. Connections beyond it are closed, those in use when they are released. */
  limitTo(max: number): void {
    this.#slots.max = max;
    for (const connection of [...this.#idle]) {
      if (!this.#slots.areExceeded) break;
      this.#close(connection);
    }
    this.#serve();
    this.several.serve();
  }

  /** Closes all connections, including those in use, and cancels their queries. Waiting callers get an error. */
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
    const start = performance.now();
    const acquired = this.#waiting.enqueue(pool, pool.options.isPatient ?? false, signal);
    // A caller limited by its own pool can't unblock other waiters.
    if (pool.open < pool.options.max) this.#serve();
    const connection = await acquired;
    this.#onWaited?.(performance.now() - start);
    return connection;
  }

  /** Serves the wait queue with free slots, and evicts idle connections of other pools for waiters that need their slots. */
  #serve(): void {
    const promised = noSlots();
    for (const waiter of this.#waiting) {
      const pool = waiter.request;
      const { max, priority } = pool.options;
      const idle = this.#takeIdle(pool);
      if (idle) waiter.resolve(() => idle);
      else if (pool.open >= max) continue;
      else if (this.#slots.hasRoomFor(priority)) waiter.resolve(() => this.#connections.open(pool));
      // A connection that is already closing may free a slot for this waiter, unless an earlier waiter needs it.
      else if (this.#willHaveRoomFor(priority, promised)) promised[priority] += 1;
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

  /** Closes the longest idle connection whose slot this priority may use, if that is necessary. Returns whether there will be room. */
  #willHaveRoomFor(priority: Priority, promised: SlotCounts): boolean {
    const evictable = this.#slots.evictableFor(priority, promised);
    if (!evictable) return true;
    for (const connection of this.#idle) {
      if (!evictable.includes(connection.pool.options.priority)) continue;
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

  /** Passes a connection to the next waiter or keeps it idle. Closes it if it cannot be reused. */
  #keep(connection: Connection): void {
    const { pool, session } = connection;
    if (!this.#connections.has(connection)) return;
    const { keepIdle, keepFailed } = pool.options;
    const isUnwanted =
      pool.ended || this.#slots.areExceeded || keepIdle === false || (keepFailed === false && session.hasFailed);
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

  /** Returns the first waiter of this pool, unless an earlier waiter of another pool has waited too long. */
  #nextFor(pool: PoolState): Waiter<PoolState, Connection> | undefined {
    const patience = Date.now() - FAIRNESS_MS;
    for (const waiter of this.#waiting) {
      if (waiter.request === pool) return waiter;
      if (waiter.since < patience && waiter.request.open < waiter.request.options.max) return undefined;
    }
    return undefined;
  }

  /** Closes a connection, even while it is in use. Its slot is freed once it is closed. */
  #close(connection: Connection): void {
    this.#idle.remove(connection);
    this.#connections.close(connection);
  }
}
