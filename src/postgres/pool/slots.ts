import type { Priority } from './pool.ts';

/** Numbers of slots by priority. */
export type SlotCounts = Record<Priority, number>;

/** Of the reserved slots, those for `system` pools alone: for the connection that listens, and for short queries. */
const FOR_SYSTEM = 2;

/** Priorities that share a limit. */
interface Group {
  readonly members: readonly Priority[];
  readonly limit: number;
}

/** Returns counts of zero. */
export function noSlots(): SlotCounts {
  return { system: 0, admin: 0, tenant: 0 };
}

/**
 * Counts the slots of a server's pool. A connection takes a slot from before it is opened until PostgreSQL has closed it.
 *
 * Work that holds a connection may wait for another one only if that has a later priority in the order admin, tenant, system.
 * Each priority leaves slots to the later ones, so such work never waits for itself.
 */
export class Slots {
  /** May change. Connections beyond a lowered limit stay open until they are released. */
  max: number;
  /** How many of the slots tenants cannot use, unless `max` is small. */
  readonly reserved: number;
  readonly #held = noSlots();
  readonly #closing = noSlots();

  constructor(max: number, reserved: number) {
    this.max = max;
    this.reserved = reserved;
  }

  get taken(): number {
    return sum(this.#held) + sum(this.#closing);
  }

  /** The taken slots by priority. */
  get counts(): SlotCounts {
    const counts = noSlots();
    for (const priority of everyone) counts[priority] = this.#held[priority] + this.#closing[priority];
    return counts;
  }

  /** Whether more connections are held than a lowered limit allows, not counting those that are closing. */
  get areExceeded(): boolean {
    return sum(this.#held) > this.max;
  }

  /** How many slots tenants may take. */
  get mostForTenants(): number {
    return this.max - Math.min(this.reserved, Math.max(this.max - 2, 2));
  }

  /** How large the limit must be for these connections at the same time. */
  limitFor({ system, admin, tenant }: SlotCounts): number {
    return tenant + Math.max(admin + Math.max(system, this.#forSystem), this.reserved);
  }

  hasRoomFor(priority: Priority): boolean {
    return this.#fullGroup(priority, this.#closing) === undefined;
  }

  /**
   * Returns whose idle connections may be closed to make room, or undefined if there will be room when all closing connections
   * are closed.
   * @param promised slots that other waiters will get by then
   */
  evictableFor(priority: Priority, promised: SlotCounts): readonly Priority[] | undefined {
    return this.#fullGroup(priority, promised);
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

  get #forSystem(): number {
    return Math.min(this.reserved, FOR_SYSTEM);
  }

  /** Returns the smallest group of this priority that may take no more slots. Freeing a slot of it also frees one of the larger groups. */
  #fullGroup(priority: Priority, others: SlotCounts): readonly Priority[] | undefined {
    const isFull = ({ members, limit }: Group) =>
      members.reduce((total, each) => total + this.#held[each] + others[each], 0) >= limit;
    return this.#groupsOf(priority).find(isFull)?.members;
  }

  /** Returns the groups of a priority, the smallest first. */
  #groupsOf(priority: Priority): readonly Group[] {
    const { max } = this;
    const all = { members: everyone, limit: max };
    if (priority === 'system') return [all];
    const together = Math.max(max - this.#forSystem, 1);
    const alone = priority === 'admin' ? Math.max(together - 1, 1) : this.mostForTenants;
    return [{ members: [priority], limit: alone }, { members: ['admin', 'tenant'], limit: together }, all];
  }
}

const everyone: readonly Priority[] = ['system', 'admin', 'tenant'];

function sum(counts: SlotCounts): number {
  return everyone.reduce((total, priority) => total + counts[priority], 0);
}
