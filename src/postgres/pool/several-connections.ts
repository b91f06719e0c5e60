/** What work needs that holds several connections at once. */
export interface SeveralRequest {
  readonly least: number;
  /** How many it can use. */
  readonly most: number;
  /** Creates the error for the case that there are never enough, from the limit that would be high enough. */
  readonly tooFew: (neededLimit: number) => Error;
}

/** Work that waits for its turn. */
interface Waiting {
  readonly request: SeveralRequest;
  /** Runs while there are too few connections for it, and refuses it at its end. */
  refusal: NodeJS.Timeout | undefined;
  begin(acquired: number): void;
  refuse(error: unknown): void;
}

/** How {@link SeveralConnections} knows how many there are. */
export interface SeveralOptions {
  /** How many connections there are. Call {@link SeveralConnections.serve} when it has changed. */
  readonly capacity: () => number;
  /** The limit of all connections with which there are so many. */
  readonly limitFor: (count: number) => number;
  /** How long work waits for a larger capacity, in milliseconds; 0 if it stays as it is. */
  readonly growMs: number;
}

/**
 * Admits work that holds several connections at once. What is admitted needs no more than there are, so it never waits for
 * connections that only other work of this kind could release. Those that hold one connection release it by themselves.
 */
export class SeveralConnections {
  readonly #options: SeveralOptions;
  readonly #waiting = new Set<Waiting>();
  #acquired = 0;

  constructor(options: SeveralOptions) {
    this.#options = options;
  }

  /** How high a limit there is use for: for what is acquired, and what is needed next. */
  get demand(): number {
    const [next] = this.#waiting;
    const count = this.#acquired + (next?.request.least ?? 0);
    return count === 0 ? 0 : this.#options.limitFor(count);
  }

  /**
   * Runs `work` when there are enough connections, in the order of the calls.
   * @param work gets the number that it may hold
   * @param signal stops waiting and rejects with its reason
   */
  async use<T>(request: SeveralRequest, work: (acquired: number) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const acquired = await this.#admit(request, signal);
    try {
      return await work(acquired);
    } finally {
      this.#acquired -= acquired;
      this.serve();
    }
  }

  /** Begins what there are enough connections for. */
  serve(): void {
    const { limitFor, growMs } = this.#options;
    let isNext = true;
    for (const waiting of this.#waiting) {
      const { least, most, tooFew } = waiting.request;
      const capacity = this.#options.capacity();
      if (capacity >= least) {
        clearTimeout(waiting.refusal);
        waiting.refusal = undefined;
        const free = capacity - this.#acquired;
        isNext &&= free >= least;
        if (isNext) waiting.begin(free >= most ? most : least);
      } else {
        isNext = false;
        waiting.refusal ??= setTimeout(() => waiting.refuse(tooFew(limitFor(least))), growMs);
      }
    }
  }

  #admit(request: SeveralRequest, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(waiting.refusal);
        signal?.removeEventListener('abort', giveUp);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        request,
        refusal: undefined,
        begin: (acquired) => {
          leave();
          this.#acquired += acquired;
          resolve(acquired);
        },
        refuse: (error) => {
          leave();
          reject(error);
          this.serve();
        },
      };
      const giveUp = () => waiting.refuse(signal?.reason);
      this.#waiting.add(waiting);
      if (signal?.aborted) return giveUp();
      signal?.addEventListener('abort', giveUp);
      this.serve();
    });
  }
}
