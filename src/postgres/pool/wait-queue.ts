/** Someone in a {@link WaitingLine}. */
export interface Waiter<Wish, Thing> {
  readonly wish: Wish;
  /** When the waiting began, in milliseconds since 1970. */
  readonly since: number;
  /** Ends the waiting with what `make` gives; the waiter has left the line when it is called. */
  grant(make: () => Thing | Promise<Thing>): void;
  /** Ends the waiting with an error. */
  refuse(error: Error): void;
}

/** Callers that wait for something, in the order in which they came. It may change while it is gone through. */
export class WaitingLine<Wish, Thing> implements Iterable<Waiter<Wish, Thing>> {
  readonly #waiters = new Set<Waiter<Wish, Thing>>();
  readonly #limitMs: number;
  readonly #late: () => Error;

  /** @param late makes the error for those who have waited `limitMs` milliseconds in vain */
  constructor(limitMs: number, late: () => Error) {
    this.#limitMs = limitMs;
    this.#late = late;
  }

  get size(): number {
    return this.#waiters.size;
  }

  [Symbol.iterator](): IterableIterator<Waiter<Wish, Thing>> {
    return this.#waiters.values();
  }

  /**
   * Puts a caller at the end of the line; gives what the caller is granted.
   * @param signal ends the waiting with its reason
   */
  join(wish: Wish, signal?: AbortSignal): Promise<Thing> {
    return new Promise((resolve, reject) => {
      const giveUp = () => waiter.refuse(signal?.reason);
      const leave = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter<Wish, Thing> = {
        wish,
        since: Date.now(),
        grant: (make) => {
          leave();
          resolve(make());
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const timer = setTimeout(() => waiter.refuse(this.#late()), this.#limitMs);
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', giveUp);
    });
  }
}
