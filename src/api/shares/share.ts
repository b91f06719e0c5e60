import type { ShareLimits } from '../../config/config.ts';
import { TokenBucket } from './token-bucket.ts';

/** How long somebody counts as active after asking for something, in milliseconds. */
const ACTIVE_MS = 1_000;

/** What one tenant, or one caller, uses of this process at the moment. */
export class Share {
  readonly limits: ShareLimits;
  readonly #cost: TokenBucket;
  readonly #databaseMs: TokenBucket;
  /** Operations that run, weighted by their cost. */
  #running = 0;
  /** Subscriptions that are open. */
  subscriptions = 0;

  constructor(limits: ShareLimits, now: number) {
    this.limits = limits;
    this.#cost = new TokenBucket(limits.costPerSecond, now);
    this.#databaseMs = new TokenBucket(limits.databaseMsPerSecond, now);
  }

  /** Whether an operation runs. */
  get isBusy(): boolean {
    return this.#running > 0;
  }

  /** @param isAlone whether nobody else is active: what would be left unused may be used then */
  hasRoom(isAlone: boolean, now: number): boolean {
    return this.#running < this.limits.operations && (isAlone || this.spentForMs(now) === 0);
  }

  /** After how many milliseconds its budgets have something again; 0 if they have. */
  spentForMs(now: number): number {
    return Math.max(this.#cost.emptyForMs(now), this.#databaseMs.emptyForMs(now));
  }

  /**
   * Starts an operation.
   * @param part its cost by the largest that is allowed
   * @returns ends it
   */
  start(cost: number, part: number, isAlone: boolean, now: number): () => void {
    const weight = Math.min(Math.max(Math.ceil(part * this.limits.operations), 1), this.limits.operations);
    this.#running += weight;
    this.#cost.take(cost, !isAlone, now);
    return () => {
      this.#running -= weight;
    };
  }

  /** Charges for a connection that was held for some milliseconds. */
  charge(ms: number, isAlone: boolean, now: number): void {
    this.#databaseMs.take(ms, !isAlone, now);
  }
}

/** Knows which two shares have been used last, and so whether somebody is the only one who is active. */
export class Activity {
  #last: Share | undefined;
  #lastAt = 0;
  #before: Share | undefined;
  #beforeAt = 0;

  /** Notes that an operation of a share begins or ends. */
  note(share: Share, now: number): void {
    if (share !== this.#last) {
      this.#before = this.#last;
      this.#beforeAt = this.#lastAt;
      this.#last = share;
    }
    this.#lastAt = now;
  }

  /** Whether no other share is used, or has been lately. */
  isAlone(share: Share, now: number): boolean {
    const [other, at] = share === this.#last ? [this.#before, this.#beforeAt] : [this.#last, this.#lastAt];
    return other === undefined || !(other.isBusy || now - at <= ACTIVE_MS);
  }
}
