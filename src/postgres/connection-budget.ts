import pg from 'pg';
import { AppError } from '../errors.ts';

/** The limits of one process on one PostgreSQL server. */
export interface BudgetOptions {
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

/** Connections that are alike: one database, one role, one set of session settings. */
export interface LaneOptions {
  /** A function where it may change. */
  readonly connection: pg.ClientConfig | (() => pg.ClientConfig);
  /** Connections of this lane open at once. */
  readonly max: number;
  readonly priority: 'system' | 'tenant';
  /** False for work that comes once: its connection is closed when it is given back. */
  readonly keepIdle?: boolean;
}

/** A connection lent to a caller, who must give it back. */
export interface LentClient extends pg.Client {
  /** Gives the connection back; with `true`, or when it is in a transaction, it is closed instead. */
  release(destroy?: boolean): void;
}

/** What a budget holds at this moment. */
export interface BudgetStats {
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
}

/** Connections to one database as one role, out of a server's budget. */
export interface Lane {
  /**
   * Lends a connection. Whoever holds a connection of a `system` lane must not wait for another one.
   * @throws {AppError} SERVER_BUSY when none came free in time
   */
  connect(): Promise<LentClient>;
  /** Lends a connection for the duration of `use`. It is closed, not kept, when `use` fails. */
  use<T>(use: (client: pg.Client) => Promise<T>): Promise<T>;
  /** Closes this lane's idle connections, and those in use when they come back. */
  end(): Promise<void>;
}

interface LaneState {
  readonly options: LaneOptions;
  /** Most recently used last. */
  readonly idle: Connection[];
  open: number;
  ended: boolean;
}

interface Connection {
  readonly client: LentClient;
  readonly lane: LaneState;
  readonly openedAt: number;
  /** See {@link ConnectionBudget.renew}. */
  readonly generation: number;
  idleSince: number;
  broken: boolean;
}

interface Waiter {
  readonly lane: LaneState;
  readonly since: number;
  readonly grant: (connection: Promise<Connection>) => void;
}

/** A waiter that is older than this goes before one that could use the connection as it is. */
const FAIRNESS_MS = 100;

/**
 * All connections that this process holds on one PostgreSQL server. There are never more than `max`: when they are spent,
 * the one that has been idle longest, whichever lane's, is closed to make room, and when none is idle the caller waits.
 */
export class ConnectionBudget {
  #options: BudgetOptions;
  /** Idle connections of all lanes, the one idle longest first. */
  readonly #idle = new Set<Connection>();
  readonly #all = new Set<Connection>();
  readonly #closing = new Set<Promise<void>>();
  #waiters: Waiter[] = [];
  #open = 0;
  #openForTenants = 0;
  #generation = 0;
  #closed = false;
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#closeExpired(), Math.min(options.idleMs, 5_000)).unref();
  }

  /** The limit. */
  get max(): number {
    return this.#options.max;
  }

  /** Counts for health checks and tests. */
  get stats(): BudgetStats {
    return { open: this.#open, idle: this.#idle.size, waiting: this.#waiters.length };
  }

  /** Makes a lane, which costs no connection until it is used. */
  lane(options: LaneOptions): Lane {
    const state: LaneState = { options, idle: [], open: 0, ended: false };
    const connect = async () => (await this.#acquire(state)).client;
    return {
      connect,
      use: (use) => useConnection(connect, use),
      end: async () => {
        state.ended = true;
        await Promise.all(state.idle.map((connection) => this.#close(connection)));
      },
    };
  }

  /**
   * From now on there are at most `max` connections, and all are opened anew: those that are idle close now, those in use
   * when they come back.
   */
  renew(max: number): void {
    this.#options = { ...this.#options, max };
    this.#generation += 1;
    for (const connection of this.#idle) void this.#close(connection);
    this.#serveWaiters();
  }

  /** Closes every connection, those in use too; callers that wait get an error. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const waiter of this.#waiters.splice(0)) waiter.grant(Promise.reject(busy('The server is shutting down')));
    for (const connection of this.#all) void this.#close(connection);
    await Promise.all(this.#closing);
  }

  async #acquire(lane: LaneState): Promise<Connection> {
    if (this.#closed || lane.ended) throw busy('The connection to the database has been closed');
    for (let idle = lane.idle.at(-1); idle; idle = lane.idle.at(-1)) {
      if (this.#isFresh(idle)) return this.#take(idle);
      await this.#close(idle);
    }
    if (this.#mayOpen(lane)) return this.#openFor(lane);
    return this.#wait(lane);
  }

  /** Whether a connection can be opened for the lane, now or after an idle one is closed. */
  #mayOpen(lane: LaneState): boolean {
    if (lane.open >= lane.options.max) return false;
    return this.#hasRoom(lane) || this.#idleToEvict(lane) !== undefined;
  }

  #hasRoom(lane: LaneState): boolean {
    if (this.#open >= this.#options.max) return false;
    return lane.options.priority === 'system' || this.#openForTenants < this.#options.max - this.#options.reserved;
  }

  #idleToEvict(lane: LaneState): Connection | undefined {
    const tenantsAreFull =
      lane.options.priority === 'tenant' && this.#openForTenants >= this.#options.max - this.#options.reserved;
    for (const connection of this.#idle) {
      if (!tenantsAreFull || connection.lane.options.priority === 'tenant') return connection;
    }
    return undefined;
  }

  /** Takes the place first, then opens, so that callers that come meanwhile count it. */
  async #openFor(lane: LaneState): Promise<Connection> {
    const evicted = this.#hasRoom(lane) ? undefined : this.#idleToEvict(lane);
    lane.open += 1;
    if (!evicted) this.#occupy(lane);
    try {
      if (evicted) {
        // The evicted connection's place becomes this one's only when PostgreSQL has let go of it.
        await this.#close(evicted, lane);
      }
      return await this.#openConnection(lane);
    } catch (error) {
      lane.open -= 1;
      this.#vacate(lane);
      throw error;
    }
  }

  async #openConnection(lane: LaneState): Promise<Connection> {
    const { connection: config } = lane.options;
    const generation = this.#generation;
    const client = new pg.Client(typeof config === 'function' ? config() : config);
    const connection: Connection = {
      client: Object.assign(client, {
        release: (destroy = false) => this.#giveBack(connection, destroy),
      }),
      lane,
      openedAt: Date.now(),
      generation,
      idleSince: 0,
      broken: false,
    };
    // A connection that PostgreSQL ends emits an error, which would end the process if nobody listened.
    const onBroken = () => {
      connection.broken = true;
      if (this.#idle.has(connection)) void this.#close(connection);
    };
    client.on('error', onBroken);
    client.on('end', onBroken);
    try {
      const connect = () => client.connect();
      await (this.#options.attempt?.(connect) ?? connect());
    } catch (error) {
      await endQuietly(client);
      throw error;
    }
    this.#all.add(connection);
    if (this.#closed) {
      await this.#close(connection, lane);
      throw busy('The connection to the database has been closed');
    }
    return connection;
  }

  #take(connection: Connection): Connection {
    this.#idle.delete(connection);
    connection.lane.idle.splice(connection.lane.idle.indexOf(connection), 1);
    return connection;
  }

  #giveBack(connection: Connection, destroy: boolean): void {
    if (!this.#all.has(connection) || this.#idle.has(connection)) return;
    const { lane, client } = connection;
    const reusable =
      !destroy &&
      !connection.broken &&
      !lane.ended &&
      client.getTransactionStatus() === 'I' &&
      this.#isFresh(connection);
    const waiter = reusable ? this.#nextWaiter(lane) : undefined;
    if (waiter && waiter.lane === lane) {
      this.#grant(waiter, Promise.resolve(connection));
    } else if (reusable && lane.options.keepIdle !== false && !this.#closed) {
      connection.idleSince = Date.now();
      lane.idle.push(connection);
      this.#idle.add(connection);
      this.#serveWaiters();
    } else {
      void this.#close(connection);
    }
  }

  /** The waiter whose turn it is when a connection of `lane` comes free. */
  #nextWaiter(lane: LaneState): Waiter | undefined {
    const oldest = this.#waiters.find((waiter) => waiter.lane === lane || waiter.lane.open < waiter.lane.options.max);
    if (!oldest || oldest.lane === lane || Date.now() - oldest.since > FAIRNESS_MS) return oldest;
    return this.#waiters.find((waiter) => waiter.lane === lane) ?? oldest;
  }

  #serveWaiters(): void {
    for (const waiter of [...this.#waiters]) {
      const idle = waiter.lane.idle.at(-1);
      if (idle) this.#grant(waiter, Promise.resolve(this.#take(idle)));
      else if (this.#mayOpen(waiter.lane)) this.#grant(waiter, this.#openFor(waiter.lane));
    }
  }

  #grant(waiter: Waiter, connection: Promise<Connection>): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
    waiter.grant(connection);
  }

  #wait(lane: LaneState): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        lane,
        since: Date.now(),
        grant: (connection) => {
          clearTimeout(timer);
          resolve(connection);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(busy(`No database connection came free within ${this.#options.waitMs} ms`));
      }, this.#options.waitMs);
      this.#waiters.push(waiter);
    });
  }

  #isFresh(connection: Connection): boolean {
    const isCurrent = !connection.broken && connection.generation === this.#generation;
    return isCurrent && Date.now() - connection.openedAt < this.#options.recycleMs;
  }

  /** Closes a connection; its place goes to `heir`, or is free. */
  #close(connection: Connection, heir?: LaneState): Promise<void> {
    if (!this.#all.delete(connection)) return Promise.resolve();
    if (this.#idle.has(connection)) this.#take(connection);
    const closing = (async () => {
      await endQuietly(connection.client);
      connection.lane.open -= 1;
      if (heir) this.#occupy(heir);
      this.#vacate(connection.lane);
    })();
    this.#closing.add(closing);
    return closing.finally(() => this.#closing.delete(closing));
  }

  #occupy(lane: LaneState): void {
    this.#open += 1;
    if (lane.options.priority === 'tenant') this.#openForTenants += 1;
  }

  #vacate(lane: LaneState): void {
    this.#open -= 1;
    if (lane.options.priority === 'tenant') this.#openForTenants -= 1;
    this.#serveWaiters();
  }

  #closeExpired(): void {
    const deadline = Date.now() - this.#options.idleMs;
    for (const connection of this.#idle) {
      if (connection.idleSince > deadline) break;
      void this.#close(connection);
    }
  }
}

/** Lends a connection for the duration of `use`. It is closed, not kept, when `use` fails. */
export async function useConnection<T>(
  connect: () => Promise<LentClient>,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect();
  let failed = true;
  try {
    const result = await use(client);
    failed = false;
    return result;
  } finally {
    client.release(failed);
  }
}

/** Resolves when the server has closed its side, and the connection is gone from `pg_stat_activity`. */
async function endQuietly(client: pg.Client): Promise<void> {
  try {
    await client.end();
  } catch {
    // It was broken already; nothing is left to close.
  }
}

function busy(message: string): AppError {
  return new AppError('SERVER_BUSY', `${message}. Try again in a moment.`, { details: { retryAfterMs: 1000 } });
}
