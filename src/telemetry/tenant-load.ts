import { LastRequests } from './last-requests.ts';

/** How much a tenant was used. */
export interface Load {
  requests: number;
  /** How long its requests took together. */
  durationMs: number;
}

/** How many tenants are kept of each ranking. */
const KEPT = 200;
/** When more tenants than this are counted, the least busy ones are forgotten. */
const MAX_COUNTED = 2_000;

/**
 * Counts the requests of tenants in limited memory. A tenant that is among the busiest is never lost, but may be counted
 * a little too low if there are more than {@link MAX_COUNTED} active ones.
 */
export class TenantLoads {
  #loads = new Map<string, Load>();
  #since = performance.now();
  /** When each tenant last sent a request. */
  readonly lastRequests = new LastRequests();

  /** Counts a request. */
  add(tenant: string, durationMs: number): void {
    this.lastRequests.add(tenant);
    const load = this.#loads.get(tenant);
    if (load) {
      load.requests += 1;
      load.durationMs += durationMs;
      return;
    }
    if (this.#loads.size >= MAX_COUNTED) this.#loads = busiest(this.#loads);
    this.#loads.set(tenant, { requests: 1, durationMs });
  }

  /** Returns the busiest tenants since the last call, and begins anew. */
  take(): { readonly loads: ReadonlyMap<string, Readonly<Load>>; readonly periodMs: number } {
    const now = performance.now();
    const taken = { loads: busiest(this.#loads), periodMs: now - this.#since };
    this.#loads = new Map();
    this.#since = now;
    return taken;
  }
}

/** The tenants with the most requests, and those that took the most time. */
function busiest(loads: ReadonlyMap<string, Load>): Map<string, Load> {
  if (loads.size <= KEPT) return new Map(loads);
  const all = [...loads];
  const most = (of: (load: Load) => number) => all.toSorted(([, a], [, b]) => of(b) - of(a)).slice(0, KEPT);
  return new Map([...most(({ requests }) => requests), ...most(({ durationMs }) => durationMs)]);
}
