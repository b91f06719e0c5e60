/** Idle connections, each of one lane, in the order in which they became idle. */
export class IdleConnections<Pool, Connection extends { readonly pool: Pool }> implements Iterable<Connection> {
  /** When each became idle, in milliseconds since 1970. */
  readonly #since = new Map<Connection, number>();
  readonly #byPool = new Map<Pool, Connection[]>();

  get size(): number {
    return this.#since.size;
  }

  /** Those that have been idle longest come first. It may change while it is gone through. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#since.keys();
  }

  add(connection: Connection): void {
    this.#since.set(connection, Date.now());
    const mates = this.#byPool.get(connection.pool);
    if (mates) mates.push(connection);
    else this.#byPool.set(connection.pool, [connection]);
  }

  /** Nothing happens if it is not idle. */
  remove(connection: Connection): void {
    if (!this.#since.delete(connection)) return;
    const mates = this.of(connection.pool).filter((mate) => mate !== connection);
    if (mates.length > 0) this.#byPool.set(connection.pool, mates);
    else this.#byPool.delete(connection.pool);
  }

  /** A lane's idle connections, that used last at the end. */
  of(pool: Pool): readonly Connection[] {
    return this.#byPool.get(pool) ?? [];
  }

  /** Those that have been idle for so many milliseconds. */
  *expired(idleMs: number): Generator<Connection, void, undefined> {
    const deadline = Date.now() - idleMs;
    for (const [connection, since] of this.#since) {
      if (since > deadline) return;
      yield connection;
    }
  }
}
