import type { Priority } from './pool.ts';

/** Numbers of slots by priority. */
export type SlotCounts = Record<Priority, number>;

/** Counts the slots of a server's pool. A connection takes a slot from before it is opened until PostgreSQL has closed it. */
export class Slots {
  /** May change. Connections beyond a lowered limit stay open until they are released. */
  max: number;
  /** How many of the slots tenants cannot use, unless `max` is small. */
  readonly reserved: number;
  readonly #held: SlotCounts = { system: 0, tenant: 0 };
  readonly #closing: SlotCounts = { system: 0, tenant: 0 };

  constructor(max: number, reserved: number) {
    this.max = max;
    this.reserved = reserved;
  }

  get taken(): number {
    return this.#countBeside(this.#closing);
  }

  /** The taken slots by priority. */
  get counts(): SlotCounts {
    return {
      system: this.#held.system + this.#closing.system,
      tenant: this.#held.tenant + this.#closing.tenant,
    };
  }

  /** Whether more connections are held than a lowered limit allows, not counting those that are closing. */
  get areExceeded(): boolean {
    return this.#held.system + this.#held.tenant > this.max;
  }

  hasRoomFor(priority: Priority): boolean {
    return this.#hasRoomBeside(this.#closing, priority);
  }

  /**
   * Whether there will be room when all closing connections are closed.
   * @param promised slots that other waiters will get by then
   */
  willHaveRoomFor(priority: Priority, promised: SlotCounts): boolean {
    return this.#hasRoomBeside(promised, priority);
  }

  /** Whether only closing a tenant's connection can then make room for this priority. */
  willBeBeyondShare(priority: Priority, promised: SlotCounts): boolean {
    return this.#isBeyondShareBeside(promised, priority);
  }

  take(priority: Priority): void {
    this.#held[priority] += 1;
  }

  /** Marks a connection as closing. Its slot stays taken until `free` is called. */
  markClosing(priority: Priority): void {
    this.#held[priority] -= 1;
    this.#closing[priority] += 1;
  }

  /** Frees the slot of a connection that was closing. */
  free(priority: Priority): void {
    this.#closing[priority] -= 1;
  }

  #hasRoomBeside(others: SlotCounts, priority: Priority): boolean {
    return this.#countBeside(others) < this.max && !this.#isBeyondShareBeside(others, priority);
  }

  #isBeyondShareBeside(others: SlotCounts, priority: Priority): boolean {
    // With very few slots, one that listens and one for everything else must do.
    const reserved = Math.min(this.reserved, Math.max(this.max - 2, 2));
    return priority === 'tenant' && this.#held.tenant + others.tenant >= this.max - reserved;
  }

  #countBeside({ system, tenant }: SlotCounts): number {
    return this.#held.system + this.#held.tenant + system + tenant;
  }
}
