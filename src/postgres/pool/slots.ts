import type { Priority } from './pool.ts';

/** Places of each kind of connections. */
export type SlotCounts = Record<Priority, number>;

/** Counts the places of a budget. Every connection has one, from before it is opened until PostgreSQL has let go of it. */
export class Slots {
  /** May change; what is open beyond it stays until it is closed. */
  max: number;
  readonly #reserved: number;
  readonly #held: SlotCounts = { system: 0, tenant: 0 };
  readonly #closing: SlotCounts = { system: 0, tenant: 0 };

  /** @param reserved how many of `max` places tenants cannot have */
  constructor(max: number, reserved: number) {
    this.max = max;
    this.#reserved = reserved;
  }

  get taken(): number {
    return this.#countBeside(this.#closing);
  }

  hasRoomFor(priority: Priority): boolean {
    return this.#hasRoomBeside(this.#closing, priority);
  }

  /**
   * Whether there is room when all connections are gone that are leaving.
   * @param promised places that others will have then
   */
  willHaveRoomFor(priority: Priority, promised: SlotCounts): boolean {
    return this.#hasRoomBeside(promised, priority);
  }

  /** Whether it is then only a tenant's connection that can make room for one of this priority. */
  willBeBeyondShare(priority: Priority, promised: SlotCounts): boolean {
    return this.#isBeyondShareBeside(promised, priority);
  }

  take(priority: Priority): void {
    this.#held[priority] += 1;
  }

  /** Its place stays taken until it is free. */
  markClosing(priority: Priority): void {
    this.#held[priority] -= 1;
    this.#closing[priority] += 1;
  }

  /** Frees the place of one that was leaving. */
  free(priority: Priority): void {
    this.#closing[priority] -= 1;
  }

  #hasRoomBeside(others: SlotCounts, priority: Priority): boolean {
    return this.#countBeside(others) < this.max && !this.#isBeyondShareBeside(others, priority);
  }

  #isBeyondShareBeside(others: SlotCounts, priority: Priority): boolean {
    return priority === 'tenant' && this.#held.tenant + others.tenant >= this.max - this.#reserved;
  }

  #countBeside({ system, tenant }: SlotCounts): number {
    return this.#held.system + this.#held.tenant + system + tenant;
  }
}
