import type pg from 'pg';
import type { Isolation } from '../../catalog/entities/tenant.entity.ts';
import type { Pool } from '../../postgres/pool/pool.ts';
import { type PostgresServer, type Servers, serverNamed } from '../../postgres/server.ts';
import type { Placement } from '../../routing/placement.ts';

/** A tenant of a run must not fail because other tenants of the run take long. */
const forRuns = { priority: 'tenant', isPatient: true } as const;

/** Pools of the owner's connections to tenants' tables. */
export class OwnerConnections {
  readonly #servers: Servers;
  readonly #concurrency: number;
  readonly #shared = new Map<string, Pool>();

  /** @param concurrency the maximum number of connections at once to one shared database */
  constructor(servers: Servers, concurrency: number) {
    this.#servers = servers;
    this.#concurrency = concurrency;
  }

  /**
   * Acquires a connection. A tenant's own database is connected to once; connections to a shared database are reused
   * for other schemas.
   * @param signal see {@link Pool.use}
   */
  use<T>(
    tenant: Placement & { isolation: Isolation },
    work: (client: pg.Client) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const server = serverNamed(this.#servers, tenant.server);
    const pool =
      tenant.isolation === 'DATABASE'
        ? server.pool({ database: tenant.database, max: 1, keepIdle: false, ...forRuns })
        : this.#pool(server, tenant);
    return pool.use(work, signal);
  }

  #pool(server: PostgresServer, { database }: Placement): Pool {
    const key = `${server.name} ${database}`;
    let pool = this.#shared.get(key);
    if (!pool) {
      pool = server.pool({ database, max: this.#concurrency, ...forRuns });
      this.#shared.set(key, pool);
    }
    return pool;
  }
}
