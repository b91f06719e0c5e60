import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityManager, EntitySchema } from '@mikro-orm/postgresql';
import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { type KnownTenant, knownTenant } from '../catalog/tenant-directory.ts';
import { AppError } from '../lib/errors.ts';
import { searchPathOf } from '../migrator/files/common-schema.ts';
import { createEntityDatabases, type EntityDatabase, type EntityDatabases, entityTypes } from '../orm/databases.ts';
import type { PasswordOf } from '../postgres/admin/roles.ts';
import { type Pool, type PoolClient, usePoolClient } from '../postgres/pool/pool.ts';
import { isPooled } from '../postgres/pool/pooled-clients.ts';
import { type PostgresServer, type Servers, serverNamed } from '../postgres/server.ts';
import {
  isConnectionFailure,
  isPoolerFailure,
  isRefusedDatabase,
  isSessionRefused,
} from '../postgres/sql/error-codes.ts';
import { watchChanges } from '../postgres/sql/watch-changes.ts';
import { connectWithRetry, poolerBusy } from './connect-with-retry.ts';
import { mayBeGone } from './connection-errors.ts';
import { OperationScope } from './operation-scope.ts';
import { tenantRole } from './placement.ts';
import { checkedSession, RenewableRole, type Renewal, WrongSessionError } from './renewable-role.ts';
import { findForeignState, sessionLimits } from './tenant-session.ts';
import { runTenantStatement, type TenantStatement } from './tenant-statement.ts';
import { afterChange, outcomeUnknown } from './unknown-outcome.ts';

/** What connecting to tenants needs. */
export interface TenantConnectionsOptions {
  readonly servers: Servers;
  /** The entities of the modules. */
  readonly entities: readonly EntitySchema[];
  readonly passwordOf: PasswordOf;
  readonly poolSize: number;
  /** How long to retry while the tenant's role has reached its connection limit, in milliseconds. */
  readonly waitMs: number;
  /** How long a statement may take, in milliseconds. */
  readonly statementTimeoutMs: number;
  /**
   * Sets the password and the settings of a tenant's role again. Called when PostgreSQL or a pooler rejects it, or when a pooler
   * keeps sessions with other settings.
   */
  readonly renewRole: (tenant: KnownTenant, renewal: Renewal) => Promise<void>;
  /** Throws a better error for a failure that may have another cause than the request; see `explainConnectionError`. */
  readonly explain: (tenant: KnownTenant, error: unknown) => Promise<void>;
}

/** Access to a tenant's database for one operation. */
export interface TenantLease {
  /** Sees only this tenant's tables. It has its own identity map. */
  readonly em: EntityManager;
  /** Runs a statement that reads and returns its one value; see `runTenantStatement`. */
  read(statement: TenantStatement): Promise<string | null>;
  /** Ends the lease and rolls back a transaction that is still open. Never rejects. */
  release(): Promise<void>;
}

interface OpenTenant {
  readonly tenant: KnownTenant;
  readonly database: EntityDatabase;
  readonly pool: Pool;
}

/** The maximum number of tenants whose pools are cached. A pool takes a few kilobytes and, when it is idle, no connection. */
const MAX_OPEN_TENANTS = 5_000;

/** How late PostgreSQL may report a statement timeout, in milliseconds. */
export const LATE_MS = 5_000;

/**
 * Gives each request access to its tenant's database. A connection is made like this:
 *
 * - Each tenant has a pool of its own, whose connections are authenticated as the tenant's role. Tenants never share a
 *   connection, so no session state or privilege passes from one tenant to another.
 * - The role's password is derived from ROLE_SECRET (`postgres/admin/roles.ts`). It is stored nowhere.
 * - A pool has at most TENANT_POOL_SIZE connections. The pools of one server together have at most its budget
 *   (`postgres/pool/server-pool.ts`). PostgreSQL limits the role over all processes (`servers/role-limits.ts`).
 * - `postgres/server.ts` opens the connection: its address, TLS and the settings of its session. If the server has a pooler, the
 *   connection goes there, and the session has the settings of the role (`routing/tenant-session.ts`).
 *
 * Migrations use the admin's connections instead (`fleet/worker/owner-connections.ts`).
 */
export class TenantConnections {
  readonly #options: TenantConnectionsOptions;
  readonly #databases: EntityDatabases;
  readonly #open = new LRUCache<string, OpenTenant>({ max: MAX_OPEN_TENANTS });
  /** Connections whose errors are already being explained. */
  readonly #watched = new WeakSet<PoolClient>();

  constructor(options: TenantConnectionsOptions) {
    this.#options = options;
    this.#databases = createEntityDatabases([...options.entities]);
  }

  /** Opens a lease of a tenant's database. It connects with the first query. */
  lease(tenant: KnownTenant): TenantLease {
    const { pool, database } = this.#find(tenant);
    let em: EntityManager | undefined;
    return {
      // Created on first use: an operation that only reads entities' fields needs none.
      get em() {
        em ??= database.fork(tenant.schema);
        return em;
      },
      read: (statement) => runTenantStatement(pool, tenant.schema, statement, em),
      release: async () => {
        // A rollback only fails on a lost connection, where PostgreSQL rolls back by itself.
        if (em?.isInTransaction()) await em.rollback().catch(() => undefined);
      },
    };
  }

  /** The pool of connections as the tenant's role, for statements without entities. */
  pool(tenant: KnownTenant): Pool {
    return this.#find(tenant).pool;
  }

  /**
   * The parameters to connect as the tenant's role with another client, such as psql. PostgreSQL cancels its statements as it does
   * those of requests. The watch of sessions would end the whole session, without a word about the limit.
   * @throws {AppError} SERVER_BUSY if the server or its address is unknown
   */
  connectionOf(tenant: KnownTenant): pg.ClientConfig {
    return this.#serverOf(tenant).connectionTo({
      database: tenant.database,
      role: this.#roleOf(tenant),
      session: {
        search_path: searchPathOf(tenant.schema),
        statement_timeout: String(this.#options.statementTimeoutMs),
      },
    });
  }

  /** The tenants that have a pool, with or without open connections. */
  opened(): readonly KnownTenant[] {
    return [...this.#open.values()].map(({ tenant }) => tenant);
  }

  /**
   * Closes a tenant's pool. A later lease opens a new one.
   * @param graceMs how long leases may still use it, in milliseconds
   */
  async close(tenant: KnownTenant, graceMs = 0): Promise<void> {
    const key = keyOf(tenant);
    const open = this.#open.peek(key);
    this.#open.delete(key);
    if (open && graceMs > 0) await sleep(graceMs, undefined, { ref: false });
    await open?.pool.end();
  }

  #find(tenant: KnownTenant): OpenTenant {
    const key = keyOf(tenant);
    const opened = this.#open.get(key);
    if (opened) return opened;
    const known = knownTenant(tenant);
    const pool = this.#poolTo(known);
    const open = { tenant: known, pool, database: this.#databases.open(pool, () => OperationScope.current?.turn()) };
    this.#open.set(key, open);
    return open;
  }

  #serverOf({ server, slug }: KnownTenant): PostgresServer {
    return serverNamed(this.#options.servers, server, `the server of the tenant ${slug}`);
  }

  #roleOf({ key }: KnownTenant): { readonly name: string; readonly password: string } {
    const name = tenantRole(key);
    return { name, password: this.#options.passwordOf(name) };
  }

  #poolTo(tenant: KnownTenant): Pool {
    const { poolSize, waitMs, statementTimeoutMs } = this.#options;
    const pool = this.#serverOf(tenant).pool({
      database: tenant.database,
      role: this.#roleOf(tenant),
      max: poolSize,
      priority: 'tenant',
      keepFailed: false,
      silenceMs: statementTimeoutMs + LATE_MS,
      types: entityTypes,
      session: { search_path: searchPathOf(tenant.schema), ...sessionLimits(statementTimeoutMs) },
      pooled: true,
    });
    const role = new RenewableRole((renewal) => this.#options.renewRole(tenant, renewal));
    const open = async (signal?: AbortSignal, again = true): Promise<PoolClient> => {
      const client = await pool.connect(signal);
      if (!isPooled(client) || this.#watched.has(client)) return client;
      const findWrong = () => findForeignState(client, tenantRole(tenant.key), tenant, statementTimeoutMs);
      return checkedSession(client, findWrong).catch((error: unknown) => {
        // A renewal for another request may have ended this session, which has not done anything yet.
        if (!again || !isConnectionFailure(error)) throw error;
        return open(signal, false);
      });
    };
    const connectFor = async (signal?: AbortSignal) => {
      let explained = false;
      const once = async () => {
        try {
          return await open(signal).catch((error: unknown) => role.reconnect(() => open(signal), error));
        } catch (error) {
          // It is tried again for a while, unless the reason is known.
          if (explained || !(isPoolerFailure(error) || error instanceof WrongSessionError)) throw error;
          explained = true;
          return await this.#explain(tenant, error, true);
        }
      };
      const connecting = connectWithRetry(waitMs, once, signal);
      const client = await connecting.catch((error: unknown) => this.#explain(tenant, error, isRefusedDatabase(error)));
      return this.#watch(tenant, client);
    };
    const connect = (signal?: AbortSignal) =>
      (OperationScope.current?.acquire(pool, connectFor) ?? connectFor(signal)).catch((error: unknown) => {
        throw afterChange(error);
      });
    return { ...pool, connect, use: (work, signal) => usePoolClient(connect, work, signal) };
  }

  /**
   * Explains the error when the connection breaks during a query, or when a table is missing. Where the query may be committed,
   * nothing else is said: each other explanation would mean that the request can be repeated.
   */
  #watch(tenant: KnownTenant, client: PoolClient): PoolClient {
    if (this.#watched.has(client)) return client;
    this.#watched.add(client);
    const query: (...args: unknown[]) => unknown = client.query.bind(client);
    const mayCommit = watchChanges(client);
    return Object.assign(client, {
      query: (...args: unknown[]) => {
        const isChange = mayCommit(args[0]);
        const result = query(...args);
        if (!(result instanceof Promise)) return result;
        return result.then(
          (rows: unknown) => {
            if (isChange) OperationScope.current?.noteChange();
            return rows;
          },
          (error: unknown) => this.#explainStatement(tenant, client, error, isChange),
        );
      },
    });
  }

  /** Explains the error of a statement. If its operation has changed something before, the error does not say that it can be repeated. */
  async #explainStatement(tenant: KnownTenant, client: PoolClient, error: unknown, isChange: boolean): Promise<never> {
    try {
      if (isPooled(client)) return await this.#explainPooled(tenant, error, isChange);
      if (isChange && isConnectionFailure(error)) throw outcomeUnknown(error);
      return await this.#explain(tenant, error, mayBeGone(tenant, error));
    } catch (explained) {
      throw afterChange(explained);
    }
  }

  /** Explains the error of a statement behind a pooler, which logs in to PostgreSQL only when it sends a statement. */
  async #explainPooled(tenant: KnownTenant, error: unknown, isChange: boolean): Promise<never> {
    const isRefused = isSessionRefused(error);
    const isEnded = isPoolerFailure(error);
    if (isChange && !isRefused && (isEnded || isConnectionFailure(error))) throw outcomeUnknown(error);
    if (!isRefused && !isEnded) return this.#explain(tenant, error, mayBeGone(tenant, error));
    return this.#explain(tenant, error, true).catch((found: unknown) => {
      throw found === error ? poolerBusy(error) : found;
    });
  }

  /**
   * Throws a better error for failures that the statement itself has not caused.
   * @param mayBeMissing whether the tenant's database or schema may be missing
   */
  async #explain(tenant: KnownTenant, error: unknown, mayBeMissing: boolean): Promise<never> {
    if (!mayBeMissing && !isConnectionFailure(error)) throw error;
    await this.#options.explain(tenant, error).catch((found: unknown) => {
      // If the catalog cannot be queried, the original error says most.
      throw found instanceof AppError ? found : error;
    });
    throw error;
  }
}

/** A tenant that has moved gets a new pool. */
function keyOf({ id, server, database, schema }: KnownTenant): string {
  return `${id} ${server} ${database} ${schema}`;
}
