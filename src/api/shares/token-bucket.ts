/** How many seconds' worth of its rate a bucket can hold, and can owe. */
const SECONDS = 5;

/**
 * A token bucket that can go into debt: an operation may start while the bucket is not empty, whatever its cost, so
 * that operations that cost more than a full bucket are possible. (The limiters of rate-limiter-flexible count in fixed
 * windows and are asynchronous.)
 */
export class TokenBucket {
  readonly #rate: number;
  #level: number;
  #at: number;

  /**
   * Creates a full bucket.
   * @param perSecond the rate at which it fills
   * @param now in milliseconds
   */
  constructor(perSecond: number, now: number) {
    this.#rate = perSecond;
    this.#level = perSecond * SECONDS;
    this.#at = now;
  }

  /** The time until the bucket is not empty, in milliseconds; 0 if it is not empty now. */
  emptyForMs(now: number): number {
    this.#fill(now);
    return this.#level > 0 ? 0 : (-this.#level / this.#rate) * 1000 + 1;
  }

  /** @param mayOwe if false, takes at most what the bucket holds */
  take(amount: number, mayOwe: boolean, now: number): void {
    this.#fill(now);
    const least = mayOwe ? -this.#rate * SECONDS : Math.min(this.#level, 0);
    this.#level = Math.max(this.#level - amount, least);
  }

  #fill(now: number): void {
    this.#level = Math.min(this.#level + ((now - this.#at) / 1000) * this.#rate, this.#rate * SECONDS);
    this.#at = now;
  }
}
