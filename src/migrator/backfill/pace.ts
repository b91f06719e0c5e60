const FIRST_ROWS = 100;
const MAX_ROWS = 50_000;
/** How long the pause after a batch is, as a multiple of the batch's time. */
const pauseShares = { usual: 0.25, contended: 2 } as const;
/** The part of the target time that batches take while others wait for them. */
const CONTENDED_SHARE = 0.125;
const MAX_PAUSE_MS = 2_000;
/** The pause after a batch that could not get its locks, in milliseconds. It doubles with each further one. */
const FIRST_RETRY_MS = 100;

/** Decides how many rows the next batch has, and how long to pause before it, so that requests hardly notice the backfill. */
export class Pace {
  readonly #targetMs: number;
  #rows = FIRST_ROWS;
  #failures = 0;

  /** @param targetMs how long a batch should take, in milliseconds */
  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /** The maximum number of rows of the next batch. */
  get rows(): number {
    return this.#rows;
  }

  /** How many batches in a row could not get their locks. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Learns from a batch.
   * @param ms how long its transaction took
   * @param waiting the number of sessions that waited for its locks
   * @returns the pause before the next batch, in milliseconds
   */
  succeeded(ms: number, waiting: number): number {
    this.#failures = 0;
    const factor = Math.min(Math.max(this.#targetMs / Math.max(ms, 1), 0.25), 2);
    this.#resize(waiting > 0 ? Math.min(factor, this.#isLong(ms) ? 0.5 : 1) : factor);
    return Math.min(ms * (waiting > 0 ? pauseShares.contended : pauseShares.usual), MAX_PAUSE_MS);
  }

  /** Learns that a batch was rolled back because others held its locks. Returns the pause before the next try. */
  failed(): number {
    this.#resize(0.25);
    const pause = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_PAUSE_MS);
    this.#failures += 1;
    return pause;
  }

  /** Below this, smaller batches would hardly shorten the waits, and the backfill would never end. */
  #isLong(ms: number): boolean {
    return ms > this.#targetMs * CONTENDED_SHARE;
  }

  #resize(factor: number): void {
    this.#rows = Math.min(Math.max(Math.round(this.#rows * factor), 1), MAX_ROWS);
  }
}
