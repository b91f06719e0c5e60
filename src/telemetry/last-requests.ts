/** How many tenants are remembered between two reports. */
const MAX_TENANTS = 100_000;

/** When tenants last sent a request to this process. */
export class LastRequests {
  readonly #times = new Map<string, number>();

  /** Remembers that a tenant has sent a request now. */
  add(tenant: string): void {
    if (this.#times.size < MAX_TENANTS || this.#times.has(tenant)) this.#times.set(tenant, Date.now());
  }

  /** Returns the time of a tenant's last request since the last report, in milliseconds since 1970. */
  of(tenant: string): number | undefined {
    return this.#times.get(tenant);
  }

  /** Returns all times since the last call, in milliseconds since 1970, and forgets them. */
  take(): ReadonlyMap<string, number> {
    const taken = new Map(this.#times);
    this.#times.clear();
    return taken;
  }

  /** Remembers times again that could not be reported. */
  giveBack(times: ReadonlyMap<string, number>): void {
    for (const [tenant, at] of times) {
      if (this.#times.size < MAX_TENANTS && !this.#times.has(tenant)) this.#times.set(tenant, at);
    }
  }
}
