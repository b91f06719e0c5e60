/** Idle connections, each of one lane, in the order in which they became idle. */
export class IdleConnections<Lane, Connection extends { readonly lane: Lane }> implements Iterable<Connection> {
  /** When each became idle, in milliseconds since 1970. */
  readonly #since = new Map<Connection, number>();
  readonly #byLane = new Map<Lane, Connection[]>();

  get size(): number {
    return this.#since.size;
  }

  /** Those that have been idle longest come first. It may change while it is gone through. */
  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#since.keys();
  }

  add(connection: Connection): void {
    this.#since.set(connection, Date.now());
    const mates = this.#byLane.get(connection.lane);
    if (mates) mates.push(connection);
    else this.#byLane.set(connection.lane, [connection]);
  }

  /** Nothing happens if it is not idle. */
  remove(connection: Connection): void {
    if (!this.#since.delete(connection)) return;
    const mates = this.of(connection.lane).filter((mate) => mate !== connection);
    if (mates.length > 0) this.#byLane.set(connection.lane, mates);
    else this.#byLane.delete(connection.lane);
  }

  /** A lane's idle connections, that used last at the end. */
  of(lane: Lane): readonly Connection[] {
    return this.#byLane.get(lane) ?? [];
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
