/** Someone in a {@link WaitQueue}. */
export interface Waiter<Request, Resource> {
  readonly request: Request;
  /** When the waiting began, in milliseconds since 1970. */
  readonly since: number;
  /** Ends the waiting with what `make` gives; the waiter has left the line when it is called. */
  resolve(make: () => Resource | Promise<Resource>): void;
  /** Ends the waiting with an error. */
  refuse(error: Error): void;
}

/** Callers that wait for something, in the order in which they came. It may change while it is gone through. */
export class WaitQueue<Request, Resource> implements Iterable<Waiter<Request, Resource>> {
  readonly #waiters = new Set<Waiter<Request, Resource>>();
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

  [Symbol.iterator](): IterableIterator<Waiter<Request, Resource>> {
    return this.#waiters.values();
  }

  /**
   * Puts a caller at the end of the line; gives what the caller is granted.
   * @param signal ends the waiting with its reason
   */
  enqueue(request: Request, signal?: AbortSignal): Promise<Resource> {
    return new Promise((resolve, reject) => {
      const giveUp = () => waiter.refuse(signal?.reason);
      const leave = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter<Request, Resource> = {
        request,
        since: Date.now(),
        resolve: (make) => {
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
