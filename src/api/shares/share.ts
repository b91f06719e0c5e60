import type { ShareLimits } from '../../config/config.ts';
import { TokenBucket } from './token-bucket.ts';

/** How long a share counts as active after an operation, in milliseconds. */
const ACTIVE_MS = 1_000;

/** What one tenant or one caller is using of this process. */
export class Share {
  readonly limits: ShareLimits;
  readonly #cost: TokenBucket;
  readonly #databaseMs: TokenBucket;
  /** The running operations, weighted by their cost. */
  #running = 0;
  /** The number of open subscriptions. */
  subscriptions = 0;
  /** The number of open WebSockets. */
  connections = 0;

  constructor(limits: ShareLimits, now: number) {
    this.limits = limits;
    this.#cost = new TokenBucket(limits.costPerSecond, now);
    this.#databaseMs = new TokenBucket(limits.databaseMsPerSecond, now);
  }

  /** Whether an operation is running. */
  get isBusy(): boolean {
    return this.#running > 0;
  }

  /** @param isAlone whether no other share is active; it may then also use capacity that would be idle */
  hasRoom(isAlone: boolean, now: number): boolean {
    return this.#running < this.limits.operations && (isAlone || this.spentForMs(now) === 0);
  }

  /** The time until its budgets are positive again, in milliseconds; 0 if they are. */
  spentForMs(now: number): number {
    return Math.max(this.#cost.emptyForMs(now), this.#databaseMs.emptyForMs(now));
  }

  /**
   * Starts an operation.
   * @param part its cost, as a fraction of the largest allowed cost
   * @returns a function that ends it
   */
  start(cost: number, part: number, isAlone: boolean, now: number): () => void {
    const weight = Math.min(Math.max(Math.ceil(part * this.limits.operations), 1), this.limits.operations);
    this.#running += weight;
    this.#cost.take(cost, !isAlone, now);
    return () => {
      this.#running -= weight;
    };
  }

  /** Charges for holding a connection, in milliseconds. */
  charge(ms: number, isAlone: boolean, now: number): void {
    this.#databaseMs.take(ms, !isAlone, now);
  }
}

/** Tracks the two most recently used shares, to tell whether a share is the only active one. */
export class Activity {
  #last: Share | undefined;
  #lastAt = 0;
  #before: Share | undefined;
  #beforeAt = 0;

  /** Records that an operation of a share begins or ends. */
  note(share: Share, now: number): void {
    if (share !== this.#last) {
      this.#before = this.#last;
      this.#beforeAt = this.#lastAt;
      this.#last = share;
    }
    this.#lastAt = now;
  }

  /** Whether no other share is in use or has been used recently. */
  isAlone(share: Share, now: number): boolean {
    const [other, at] = share === this.#last ? [this.#before, this.#beforeAt] : [this.#last, this.#lastAt];
    return other === undefined || !(other.isBusy || now - at <= ACTIVE_MS);
  }
}
