import { elapsedSince } from '../../lib/time.ts';
import { LEAST_BUDGET } from './divide.ts';

/**
 * How long a process keeps asking for connections that it needed, in milliseconds. It is shorter than requests of another process
 * wait for a connection.
 */
const KEEP_MS = 3_000;

interface Demand {
  readonly wanted: number;
  /** When it last needed so many. */
  readonly at: number;
}

/**
 * How many connections this process needs, by server. The number rises immediately and falls after some seconds, in steps, so
 * that budgets do not change with each request.
 */
export class RecentDemand {
  /** The highest first; lower ones are more recent. */
  readonly #demands = new Map<string, readonly Demand[]>();
  /** What {@link of} has last returned. */
  readonly #reported = new Map<string, number>();

  /** Records how many connections are needed now. Returns whether these are more than {@link of} has returned. */
  record(server: string, demand: number): boolean {
    const wanted = Math.max(1, Math.ceil(demand / LEAST_BUDGET)) * LEAST_BUDGET;
    const higher = (this.#demands.get(server) ?? []).filter((each) => each.wanted > wanted);
    this.#demands.set(server, [...higher, { wanted, at: performance.now() }]);
    return wanted > (this.#reported.get(server) ?? 0);
  }

  /** Returns the largest number of the last seconds. */
  of(server: string): number {
    const recent = (this.#demands.get(server) ?? []).filter(({ at }) => elapsedSince(at) < KEEP_MS);
    this.#demands.set(server, recent);
    const wanted = recent[0]?.wanted ?? LEAST_BUDGET;
    this.#reported.set(server, wanted);
    return wanted;
  }
}
