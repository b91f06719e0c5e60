import type { ServerConnection } from './connection.ts';
import type { PoolClient } from './pool.ts';

/** An open connection of a server's pool, either acquired or idle. */
export class PooledConnection<Pool> {
  readonly session: ServerConnection;
  readonly pool: Pool;
  /** The client that callers get. */
  readonly client: PoolClient;
  readonly #openedAt = Date.now();
  readonly #generation: number;
  #isAcquired = true;

  /**
   * @param generation the pool's generation when opening the connection began
   * @param onRelease called once for each time that a caller releases the connection
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
    this.client = Object.assign(session.client, { release, isReusable: () => session.isReusable });
  }

  /** Marks the connection as acquired by the next caller. */
  acquire(): this {
    this.#isAcquired = true;
    return this;
  }

  /** Whether the connection works, is younger than `recycleMs` milliseconds and belongs to this generation. */
  isFresh(generation: number, recycleMs: number): boolean {
    const isCurrent = !this.session.isBroken && this.#generation === generation;
    return isCurrent && Date.now() - this.#openedAt < recycleMs;
  }
}
