import { IdleConnections } from './idle-connections.ts';
import { type Connection, type LaneState, LiveConnections } from './open-connections.ts';
import { type Lane, type LaneOptions, type Priority, useLent } from './pool.ts';
import { busy, closed } from './pool-errors.ts';
import { type PlaceCounts, Places } from './slots.ts';
import { type Waiter, WaitingLine } from './wait-queue.ts';

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

/** What a budget holds at this moment. */
export interface BudgetStats {
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
export class ConnectionBudget {
  readonly #places: Places;
  readonly #waiting: WaitingLine<LaneState, Connection>;
  readonly #connections: LiveConnections;
  readonly #idle = new IdleConnections<LaneState, Connection>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: BudgetOptions) {
    const { max, reserved, waitMs, recycleMs, idleMs, attempt } = options;
    this.#places = new Places(max, reserved);
    this.#connections = new LiveConnections({
      places: this.#places,
      recycleMs,
      attempt,
      onBack: (connection, destroy) => this.#giveBack(connection, destroy),
      onVacant: () => this.#serve(),
    });
    this.#waiting = new WaitingLine(waitMs, () => busy(`No database connection came free within ${waitMs} ms`));
    this.#sweeper = setInterval(
      () => {
        for (const connection of this.#idle.expired(idleMs)) this.#close(connection);
      },
      Math.min(idleMs, 5_000),
    ).unref();
  }

  /** The limit. */
  get max(): number {
    return this.#places.max;
  }

  /** Counts for health checks and tests. */
  get stats(): BudgetStats {
    return { open: this.#places.taken, idle: this.#idle.size, waiting: this.#waiting.size };
  }

  /** Makes a lane, which costs no connection until it is used. */
  lane(options: LaneOptions): Lane {
    const lane: LaneState = { options, open: 0, ended: false };
    const connect = async (signal?: AbortSignal) => (await this.#acquire(lane, signal)).client;
    return {
      connect,
      use: (work, signal) => useLent(connect, work, signal),
      end: () => this.#endLane(lane),
    };
  }

  /**
   * From now on there are at most `max` connections, and all are opened anew: those that are idle close now, those in use
   * when they come back.
   */
  renew(max: number): void {
    this.#places.max = max;
    this.#connections.outdate();
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

  async #endLane(lane: LaneState): Promise<void> {
    lane.ended = true;
    for (const waiter of this.#waiting) if (waiter.wish === lane) waiter.refuse(closed());
    for (const connection of this.#idle.of(lane)) this.#close(connection);
    await this.#connections.settled((owner) => owner === lane);
  }

  async #acquire(lane: LaneState, signal?: AbortSignal): Promise<Connection> {
    if (this.#connections.hasEnded || lane.ended) throw closed();
    const idle = this.#takeIdle(lane);
    if (idle) return idle;
    const granted = this.#waiting.join(lane, signal);
    // Who has to wait for a connection of its own lane changes nothing for those who wait already.
    if (lane.open < lane.options.max) this.#serve();
    return granted;
  }

  /** Gives what is free to those who wait, and closes idle connections of other lanes for those who need their place. */
  #serve(): void {
    const promised: PlaceCounts = { system: 0, tenant: 0 };
    for (const waiter of this.#waiting) {
      const lane = waiter.wish;
      const { max, priority } = lane.options;
      const idle = this.#takeIdle(lane);
      if (idle) waiter.grant(() => idle);
      else if (lane.open >= max) continue;
      else if (this.#places.hasRoomFor(priority)) waiter.grant(() => this.#connections.open(lane));
      // A connection that is being closed already may give this waiter its place, if nobody before it takes that.
      else if (this.#places.willHaveRoomFor(priority, promised) || this.#evictFor(priority, promised)) {
        promised[priority] += 1;
      }
    }
  }

  #takeIdle(lane: LaneState): Connection | undefined {
    for (const idle of this.#idle.of(lane).toReversed()) {
      if (this.#connections.isFresh(idle)) {
        this.#idle.remove(idle);
        return idle.lend();
      }
      this.#close(idle);
    }
    return undefined;
  }

  /** Closes the connection that has been idle longest, of those whose place may be taken; gives whether there was one. */
  #evictFor(priority: Priority, promised: PlaceCounts): boolean {
    const onlyTenants = this.#places.willBeBeyondShare(priority, promised);
    for (const connection of this.#idle) {
      if (onlyTenants && connection.lane.options.priority !== 'tenant') continue;
      this.#close(connection);
      return true;
    }
    return false;
  }

  #giveBack(connection: Connection, destroy: boolean): void {
    if (destroy) this.#close(connection);
    else if (connection.session.isQuiet) this.#keep(connection);
    else void connection.session.settle().then(() => this.#keep(connection));
  }

  /** Keeps a connection for the next caller, or closes it if it cannot be used again. */
  #keep(connection: Connection): void {
    const { lane, session } = connection;
    if (!this.#connections.has(connection)) return;
    const { keepIdle, keepFailed } = lane.options;
    const isUnwanted = lane.ended || keepIdle === false || (keepFailed === false && session.hasFailed);
    if (isUnwanted || !session.isReusable || !this.#connections.isFresh(connection)) {
      this.#close(connection);
      return;
    }
    const next = this.#nextFor(lane);
    if (next) {
      next.grant(() => connection.lend());
      return;
    }
    this.#idle.add(connection);
    this.#serve();
  }

  /** The waiter of this lane who may go first, since nobody who would need another connection has waited long. */
  #nextFor(lane: LaneState): Waiter<LaneState, Connection> | undefined {
    const patience = Date.now() - FAIRNESS_MS;
    for (const waiter of this.#waiting) {
      if (waiter.wish === lane) return waiter;
      if (waiter.since < patience && waiter.wish.open < waiter.wish.options.max) return undefined;
    }
    return undefined;
  }

  /** Closes a connection, whatever it does; its place is free when that is done. */
  #close(connection: Connection): void {
    this.#idle.remove(connection);
    this.#connections.close(connection);
  }
}
