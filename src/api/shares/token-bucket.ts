/** How many seconds' worth of its rate a bucket holds, and may owe at most. */
const SECONDS = 5;

/**
 * A budget that fills up steadily. Whoever finds something in it may start, whatever that will cost, and the bucket owes what
 * it did not have: so that what costs more than a full bucket can be done too. (The limiters of rate-limiter-flexible count
 * in fixed windows, and answer by a promise.)
 */
export class TokenBucket {
  readonly #rate: number;
  #level: number;
  #at: number;

  /**
   * A full one.
   * @param perSecond how much is added in a second
   * @param now in milliseconds
   */
  constructor(perSecond: number, now: number) {
    this.#rate = perSecond;
    this.#level = perSecond * SECONDS;
    this.#at = now;
  }

  /** After how many milliseconds there is something in it; 0 if there is. */
  emptyForMs(now: number): number {
    this.#fill(now);
    return this.#level > 0 ? 0 : (-this.#level / this.#rate) * 1000 + 1;
  }

  /** @param mayOwe false: takes no more than there is */
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
