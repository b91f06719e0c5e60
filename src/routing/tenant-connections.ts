import type { EntityManager, EntitySchema } from '@mikro-orm/postgresql';
import { LRUCache } from 'lru-cache';
import { type KnownTenant, knownTenant } from '../catalog/tenant-directory.ts';
import { AppError } from '../lib/errors.ts';
import { searchPathOf } from '../migrator/files/common-schema.ts';
import { createEntityDatabases, type EntityDatabase, type EntityDatabases, entityTypes } from '../orm/databases.ts';
import type { PasswordOf } from '../postgres/admin/roles.ts';
import { type Pool, type PoolClient, usePoolClient } from '../postgres/pool/pool.ts';
import type { Servers } from '../postgres/server.ts';
import { isConnectionFailure, isRefusedDatabase, sqlState, sqlStateOf } from '../postgres/sql/error-codes.ts';
import { mayBeGone } from './connection-errors.ts';
import { OperationScope } from './operation-scope.ts';
import { tenantRole } from './placement.ts';
import { untilGranted } from './until-granted.ts';

/** What connecting to tenants needs. */
export interface TenantConnectionsOptions {
  readonly servers: Servers;
  /** The entities of the modules. */
  readonly entities: readonly EntitySchema[];
  readonly passwordOf: PasswordOf;
  readonly poolSize: number;
  /** How long to try again while PostgreSQL grants the tenant's role no more connections, in milliseconds. */
  readonly waitMs: number;
  /** How long a statement may take, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** Called when PostgreSQL refuses the password of a tenant's role, which is then to be set again. */
  readonly renewRole: (tenant: KnownTenant) => Promise<void>;
  /** Throws what can be told of a failure, see {@link explainFailure}, that may not be the fault of the request. */
  readonly explain: (tenant: KnownTenant, error: unknown) => Promise<void>;
}

/** A tenant's database, lent for one operation. */
export interface TenantLease {
  /** Sees this tenant's tables and no others; has an identity map of its own. */
  readonly em: EntityManager;
  /** Ends the lease; a transaction that is still open is rolled back. It never rejects. */
  release(): Promise<void>;
}

interface OpenTenant {
  readonly tenant: KnownTenant;
  readonly database: EntityDatabase;
  readonly pool: Pool;
}

/** Tenants that are kept known; one costs some kilobytes and, when it is idle, no connection. */
const KNOWN = 5_000;

/** How much later than its time limit PostgreSQL may say that a statement has reached it, in milliseconds. */
export const LATE_MS = 5_000;

/** A transaction that its resolver forgot ends by itself after this time. */
const IDLE_IN_TRANSACTION_MS = 60_000;

/**
 * Gives requests the database of their tenant, through connections that PostgreSQL has admitted as that tenant's role: a
 * connection is never used for two tenants, so no session state or right can pass from one to the other.
 */
export class TenantConnections {
  readonly #options: TenantConnectionsOptions;
  readonly #databases: EntityDatabases;
  readonly #open = new LRUCache<string, OpenTenant>({ max: KNOWN });
  /** Connections whose errors are explained. */
  readonly #watched = new WeakSet<PoolClient>();

  constructor(options: TenantConnectionsOptions) {
    this.#options = options;
    this.#databases = createEntityDatabases([...options.entities]);
  }

  /** Lends a tenant's database. It connects when the first query is sent. */
  lease(tenant: KnownTenant): TenantLease {
    const em = this.#opened(tenant).database.fork(tenant.schema);
    return {
      em,
      release: async () => {
        // A rollback fails only when the connection is lost, and then PostgreSQL has rolled back.
        if (em.isInTransaction()) await em.rollback().catch(() => undefined);
      },
    };
  }

  /** Lends a connection as the tenant's role, for statements that no entity fits. */
  pool(tenant: KnownTenant): Pool {
    return this.#opened(tenant).pool;
  }

  /** The tenants to which something is open, or was. */
  known(): readonly KnownTenant[] {
    return [...this.#open.values()].map(({ tenant }) => tenant);
  }

  /** Closes what is open to a tenant; a later lease opens it again. */
  async close(tenant: KnownTenant): Promise<void> {
    const key = keyOf(tenant);
    const open = this.#open.peek(key);
    this.#open.delete(key);
    await open?.pool.end();
  }

  #opened(tenant: KnownTenant): OpenTenant {
    const key = keyOf(tenant);
    const opened = this.#open.get(key);
    if (opened) return opened;
    const known = knownTenant(tenant);
    const pool = this.#poolTo(known);
    const open = { tenant: known, pool, database: this.#databases.open(pool) };
    this.#open.set(key, open);
    return open;
  }

  #poolTo(tenant: KnownTenant): Pool {
    const { servers, passwordOf, poolSize, waitMs, statementTimeoutMs } = this.#options;
    const server = servers.get(tenant.server);
    if (!server) {
      throw new AppError(
        'SERVER_BUSY',
        `The server of tenant ${tenant.slug} is not known here yet. Try again in a moment.`,
        {
          details: { retryAfterMs: 1000 },
        },
      );
    }
    const role = tenantRole(tenant.key);
    const pool = server.pool({
      database: tenant.database,
      role: { name: role, password: passwordOf(role) },
      max: poolSize,
      priority: 'tenant',
      keepFailed: false,
      silenceMs: statementTimeoutMs + LATE_MS,
      types: entityTypes,
      session: {
        search_path: searchPathOf(tenant.schema),
        statement_timeout: String(statementTimeoutMs),
        idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
      },
    });
    let renewing: Promise<void> | undefined;
    // One at a time: PostgreSQL refuses two changes of a role at once.
    const renew = () => {
      renewing ??= this.#options.renewRole(tenant).finally(() => {
        renewing = undefined;
      });
      return renewing;
    };
    const connectFor = async (signal?: AbortSignal) => {
      const once = () => pool.connect(signal).catch((error: unknown) => connectAnew(pool, renew, error));
      const connecting = untilGranted(waitMs, once, signal);
      const client = await connecting.catch((error: unknown) => this.#explain(tenant, error, isRefusedDatabase(error)));
      return this.#watch(tenant, client);
    };
    const connect = (signal?: AbortSignal) => OperationScope.current?.borrow(connectFor) ?? connectFor(signal);
    return { ...pool, connect, use: (work, signal) => usePoolClient(connect, work, signal) };
  }

  /** Has it looked into when the connection breaks in the middle of a query, or a table is not found. */
  #watch(tenant: KnownTenant, client: PoolClient): PoolClient {
    if (this.#watched.has(client)) return client;
    this.#watched.add(client);
    const query: (...args: unknown[]) => unknown = client.query.bind(client);
    return Object.assign(client, {
      query: (...args: unknown[]) => {
        const result = query(...args);
        if (!(result instanceof Promise)) return result;
        return result.catch((error: unknown) => this.#explain(tenant, error, mayBeGone(tenant, error)));
      },
    });
  }

  /**
   * Throws what can be told of a failure that is not the statement's own.
   * @param isOfPlace whether it may be that of the tenant's database or schema
   */
  async #explain(tenant: KnownTenant, error: unknown, isOfPlace: boolean): Promise<never> {
    if (!isOfPlace && !isConnectionFailure(error)) throw error;
    await this.#options.explain(tenant, error).catch((found: unknown) => {
      // Without an answer from the catalog the error itself is the best that can be told.
      throw found instanceof AppError ? found : error;
    });
    throw error;
  }
}

/** After a change of the secret, or of the server, the role has another password than the derived one. */
async function connectAnew(pool: Pool, renew: () => Promise<void>, error: unknown): Promise<PoolClient> {
  if (sqlStateOf(error) !== sqlState.invalidPassword) throw error;
  await renew();
  return pool.connect();
}

/** A tenant that moves is another one here. */
function keyOf({ id, server, database, schema }: KnownTenant): string {
  return `${id} ${server} ${database} ${schema}`;
}
