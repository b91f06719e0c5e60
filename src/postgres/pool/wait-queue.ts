/** A caller in a {@link WaitQueue}. */
export interface Waiter<Request, Resource> {
  readonly request: Request;
  /** When the caller started to wait, in milliseconds since the epoch. */
  readonly since: number;
  /** Removes the waiter from the queue and resolves it with the result of `make`. */
  resolve(make: () => Resource | Promise<Resource>): void;
  /** Removes the waiter from the queue and rejects it. */
  refuse(error: Error): void;
}

/** A FIFO queue of callers that wait for a resource. It may change during iteration. */
export class WaitQueue<Request, Resource> implements Iterable<Waiter<Request, Resource>> {
  readonly #waiters = new Set<Waiter<Request, Resource>>();
  readonly #limitMs: number;
  readonly #late: () => Error;

  /** @param late creates the error for callers that have waited `limitMs` milliseconds without success */
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
   * Adds a caller to the end of the queue. Resolves with the resource that the caller gets.
   * @param isPatient whether the caller waits without a limit
   * @param signal stops waiting and rejects with its reason
   */
  enqueue(request: Request, isPatient: boolean, signal?: AbortSignal): Promise<Resource> {
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
      const timer = isPatient ? undefined : setTimeout(() => waiter.refuse(this.#late()), this.#limitMs);
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', giveUp);
    });
  }
}
