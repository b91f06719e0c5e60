import type { ServerConnection } from './connection.ts';
import type { LentClient } from './pool.ts';

/** An open connection of a budget, which a caller has or which is idle. */
export class BudgetConnection<Lane> {
  readonly session: ServerConnection;
  readonly lane: Lane;
  /** What callers are given. */
  readonly client: LentClient;
  readonly #openedAt = Date.now();
  readonly #generation: number;
  #isLent = true;

  /**
   * @param generation the budget's when the connection began to be opened
   * @param giveBack called once each time that a caller gives it back
   */
  constructor(
    session: ServerConnection,
    lane: Lane,
    generation: number,
    giveBack: (connection: BudgetConnection<Lane>, destroy: boolean) => void,
  ) {
    this.session = session;
    this.lane = lane;
    this.#generation = generation;
    const release = (destroy = false) => {
      if (!this.#isLent) return;
      this.#isLent = false;
      giveBack(this, destroy);
    };
    this.client = Object.assign(session.client, { release });
  }

  /** Gives it to the next caller. */
  lend(): this {
    this.#isLent = true;
    return this;
  }

  /** Whether it is neither lost, nor older than `recycleMs` milliseconds, nor of another generation. */
  isFresh(generation: number, recycleMs: number): boolean {
    const isCurrent = !this.session.isBroken && this.#generation === generation;
    return isCurrent && Date.now() - this.#openedAt < recycleMs;
  }
}
