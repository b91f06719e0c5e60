import { elapsedSince } from '../../lib/time.ts';
import { LEAST_BUDGET } from './divide.ts';

/**
 * How long a process keeps wanting what it had use for, in milliseconds. It is shorter than requests of another process wait for
 * a connection.
 */
const KEEP_MS = 3_000;

interface Wish {
  readonly wanted: number;
  /** When it last had use for so many. */
  readonly at: number;
}

/**
 * How many connections this process has use for, by server. A wish rises at once and falls after some seconds, in steps, so that
 * budgets do not change with each request.
 */
export class Wishes {
  /** The highest first, and the later the lower. */
  readonly #wishes = new Map<string, readonly Wish[]>();
  /** What the caller has last been told. */
  readonly #told = new Map<string, number>();

  /** Notes how many connections there is use for now. Returns whether these are more than {@link of} has returned. */
  note(server: string, demand: number): boolean {
    const wanted = Math.max(1, Math.ceil(demand / LEAST_BUDGET)) * LEAST_BUDGET;
    const higher = (this.#wishes.get(server) ?? []).filter((wish) => wish.wanted > wanted);
    this.#wishes.set(server, [...higher, { wanted, at: performance.now() }]);
    return wanted > (this.#told.get(server) ?? 0);
  }

  /** Returns the largest number of the last seconds. */
  of(server: string): number {
    const recent = (this.#wishes.get(server) ?? []).filter(({ at }) => elapsedSince(at) < KEEP_MS);
    this.#wishes.set(server, recent);
    const wanted = recent[0]?.wanted ?? LEAST_BUDGET;
    this.#told.set(server, wanted);
    return wanted;
  }
}
