import type { Priority } from './pool.ts';

/** Places of each kind of connections. */
export type PlaceCounts = Record<Priority, number>;

/** Counts the places of a budget. Every connection has one, from before it is opened until PostgreSQL has let go of it. */
export class Places {
  /** May change; what is open beyond it stays until it is closed. */
  max: number;
  readonly #reserved: number;
  readonly #kept: PlaceCounts = { system: 0, tenant: 0 };
  readonly #leaving: PlaceCounts = { system: 0, tenant: 0 };

  /** @param reserved how many of `max` places tenants cannot have */
  constructor(max: number, reserved: number) {
    this.max = max;
    this.#reserved = reserved;
  }

  get taken(): number {
    return this.#countBeside(this.#leaving);
  }

  hasRoomFor(priority: Priority): boolean {
    return this.#hasRoomBeside(this.#leaving, priority);
  }

  /**
   * Whether there is room when all connections are gone that are leaving.
   * @param promised places that others will have then
   */
  willHaveRoomFor(priority: Priority, promised: PlaceCounts): boolean {
    return this.#hasRoomBeside(promised, priority);
  }

  /** Whether it is then only a tenant's connection that can make room for one of this priority. */
  willBeBeyondShare(priority: Priority, promised: PlaceCounts): boolean {
    return this.#isBeyondShareBeside(promised, priority);
  }

  take(priority: Priority): void {
    this.#kept[priority] += 1;
  }

  /** Its place stays taken until it is free. */
  leave(priority: Priority): void {
    this.#kept[priority] -= 1;
    this.#leaving[priority] += 1;
  }

  /** Frees the place of one that was leaving. */
  free(priority: Priority): void {
    this.#leaving[priority] -= 1;
  }

  #hasRoomBeside(others: PlaceCounts, priority: Priority): boolean {
    return this.#countBeside(others) < this.max && !this.#isBeyondShareBeside(others, priority);
  }

  #isBeyondShareBeside(others: PlaceCounts, priority: Priority): boolean {
    return priority === 'tenant' && this.#kept.tenant + others.tenant >= this.max - this.#reserved;
  }

  #countBeside({ system, tenant }: PlaceCounts): number {
    return this.#kept.system + this.#kept.tenant + system + tenant;
  }
}
