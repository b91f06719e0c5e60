/** Work that waits for its turn. */
interface Waiting {
  readonly least: number;
  readonly most: number;
  begin(granted: number): void;
}

/**
 * Admits work that holds several connections at once. What is admitted needs no more than there are, so it never waits for
 * connections that only other work of this kind could release. Those that hold one connection release it by themselves.
 */
export class SeveralConnections {
  readonly #capacity: () => number;
  readonly #waiting = new Set<Waiting>();
  #granted = 0;

  /** @param capacity how many connections there are; may change */
  constructor(capacity: () => number) {
    this.#capacity = capacity;
  }

  /**
   * Runs `work` when there are enough connections, in the order of the calls. If there are never enough, it runs alone.
   * @param least how many it needs
   * @param most how many it can use
   * @param work gets the number that it may hold, from `least` to `most`
   * @param signal stops waiting and rejects with its reason
   */
  async use<T>(
    { least, most }: { readonly least: number; readonly most: number },
    work: (granted: number) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const granted = await this.#admit(least, most, signal);
    try {
      return await work(granted);
    } finally {
      this.#granted -= granted;
      this.#serve();
    }
  }

  #admit(least: number, most: number, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal?.removeEventListener('abort', giveUp);
        this.#waiting.delete(waiting);
      };
      const giveUp = () => {
        leave();
        reject(signal?.reason);
        this.#serve();
      };
      const begin = (granted: number) => {
        leave();
        this.#granted += granted;
        resolve(granted);
      };
      const waiting = { least, most, begin };
      this.#waiting.add(waiting);
      if (signal?.aborted) return giveUp();
      signal?.addEventListener('abort', giveUp);
      this.#serve();
    });
  }

  #serve(): void {
    for (const { least, most, begin } of this.#waiting) {
      const free = this.#capacity() - this.#granted;
      if (free < least && this.#granted > 0) return;
      begin(free >= most ? most : least);
    }
  }
}
