/** The idle connections of all pools, in the order in which they became idle. */
export class IdleConnections<Pool, Connection extends { readonly pool: Pool }> implements Iterable<Connection> {
  /** When each became idle, in milliseconds since the epoch. */
  readonly #since = new Map<Connection, number>();
  readonly #byPool = new Map<Pool, Connection[]>();

  get size(): number {
    return this.#since.size;
  }

  /** Iterates from the longest idle connection to the most recent one. May change during iteration. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#since.keys();
  }

  add(connection: Connection): void {
    this.#since.set(connection, Date.now());
    const mates = this.#byPool.get(connection.pool);
    if (mates) mates.push(connection);
    else this.#byPool.set(connection.pool, [connection]);
  }

  /** Does nothing if the connection is not idle. */
  remove(connection: Connection): void {
    if (!this.#since.delete(connection)) return;
    const mates = this.of(connection.pool).filter((mate) => mate !== connection);
    if (mates.length > 0) this.#byPool.set(connection.pool, mates);
    else this.#byPool.delete(connection.pool);
  }

  /** Returns a pool's idle connections, the most recently used last. */
  of(pool: Pool): readonly Connection[] {
    return this.#byPool.get(pool) ?? [];
  }

  /** Yields the connections that have been idle for at least `idleMs` milliseconds. */
  *expired(idleMs: number): Generator<Connection, void, undefined> {
    const deadline = Date.now() - idleMs;
    for (const [connection, since] of this.#since) {
      if (since > deadline) return;
      yield connection;
    }
  }
}
