import type { Priority } from './lane.ts';

/** Counts the places of a budget. Every connection has one, from before it is opened until PostgreSQL has let go of it. */
export class Places {
  /** May change; what is open beyond it stays until it is closed. */
  max: number;
  readonly #reserved: number;
  readonly #taken: Record<Priority, number> = { system: 0, tenant: 0 };

  /** @param reserved how many of `max` places tenants cannot have */
  constructor(max: number, reserved: number) {
    this.max = max;
    this.#reserved = reserved;
  }

  get taken(): number {
    return this.#taken.system + this.#taken.tenant;
  }

  hasRoomFor(priority: Priority): boolean {
    return this.taken < this.max && !this.isBeyondShare(priority);
  }

  /**
   * Whether all places are taken that connections of this priority may have, so that only one of these can make room.
   * @param promisedToTenants places that tenants will have in a moment
   */
  isBeyondShare(priority: Priority, promisedToTenants = 0): boolean {
    return priority === 'tenant' && this.#taken.tenant + promisedToTenants >= this.max - this.#reserved;
  }

  take(priority: Priority): void {
    this.#taken[priority] += 1;
  }

  free(priority: Priority): void {
    this.#taken[priority] -= 1;
  }
}
