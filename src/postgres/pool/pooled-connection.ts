import type { ServerConnection } from './connection.ts';
import type { PoolClient } from './pool.ts';

/** An open connection of a budget, which a caller has or which is idle. */
export class PooledConnection<Pool> {
  readonly session: ServerConnection;
  readonly pool: Pool;
  /** What callers are given. */
  readonly client: PoolClient;
  readonly #openedAt = Date.now();
  readonly #generation: number;
  #isAcquired = true;

  /**
   * @param generation the budget's when the connection began to be opened
   * @param onRelease called once each time that a caller gives it back
   */
  constructor(
    session: ServerConnection,
    pool: Pool,
    generation: number,
    onRelease: (connection: PooledConnection<Pool>, destroy: boolean) => void,
  ) {
    this.session = session;
    this.pool = pool;
    this.#generation = generation;
    const release = (destroy = false) => {
      if (!this.#isAcquired) return;
      this.#isAcquired = false;
      onRelease(this, destroy);
    };
    this.client = Object.assign(session.client, { release });
  }

  /** Gives it to the next caller. */
  acquire(): this {
    this.#isAcquired = true;
    return this;
  }

  /** Whether it is neither lost, nor older than `recycleMs` milliseconds, nor of another generation. */
  isFresh(generation: number, recycleMs: number): boolean {
    const isCurrent = !this.session.isBroken && this.#generation === generation;
    return isCurrent && Date.now() - this.#openedAt < recycleMs;
  }
}
