import type { PoolClient } from '../postgres/pool/pool.ts';

/** How long a connection is kept without use, in milliseconds. A resolver may wait for something other than the database. */
const KEEP_MS = 1_000;

interface Kept {
  readonly pool: object;
  readonly client: PoolClient;
  readonly timer: NodeJS.Timeout;
}

/** At most one idle connection that an operation keeps for its next statement. */
export class KeptConnection {
  #kept: Kept | undefined;

  /**
   * Keeps a connection for a while.
   * @param pool the pool that the connection belongs to
   * @returns false if another one is kept already
   */
  keep(pool: object, client: PoolClient): boolean {
    if (this.#kept) return false;
    this.#kept = { pool, client, timer: setTimeout(() => this.release(), KEEP_MS) };
    return true;
  }

  /**
   * Takes the kept connection of a pool. One of another pool, or one that is lost, is released: an operation must not wait for
   * a connection while it keeps one.
   */
  take(pool: object): PoolClient | undefined {
    const kept = this.#kept;
    if (!kept) return undefined;
    if (kept.pool !== pool || !kept.client.isReusable()) {
      this.release();
      return undefined;
    }
    this.#forget(kept);
    return kept.client;
  }

  /** Releases the kept connection, if there is one. */
  release(): void {
    const kept = this.#kept;
    if (!kept) return;
    this.#forget(kept);
    kept.client.release();
  }

  #forget({ timer }: Kept): void {
    clearTimeout(timer);
    this.#kept = undefined;
  }
}
