import type pg from 'pg';
import type { Logger } from 'pino';
import type { PoolerAddress, ServerAddress } from '../config/server-address.ts';
import type { ServerHost } from '../config/server-hosts.ts';
import { AppError } from '../lib/errors.ts';
import { elapsedSince } from '../lib/time.ts';
import { type Meters, noMeters } from '../telemetry/meters.ts';
import { currentRequest } from '../telemetry/request-record.ts';
import { observeStatements } from './observe-statements.ts';
import { CircuitBreaker } from './pool/circuit-breaker.ts';
import { HostList } from './pool/host-list.ts';
import { type Pool, type Priority, usePoolClient } from './pool/pool.ts';
import { noneLeft, unknownAddress } from './pool/pool-errors.ts';
import { retryWhileFull } from './pool/retry-while-full.ts';
import { ServerPool, type ServerPoolOptions, type ServerPoolStats } from './pool/server-pool.ts';
import type { SeveralConnections } from './pool/several-connections.ts';
import type { PoolRequest } from './pool-request.ts';
import { APPLICATION_NAME, startupOptions } from './session-settings.ts';

/** The options of a server. */
export interface PostgresServerOptions extends ServerPoolOptions {
  readonly systemPoolSize: number;
  /** The address and role of the admin. Defaults to the server's address. */
  readonly admin?: ServerAddress | undefined;
  /** The pooler for tenants' requests. */
  readonly pooler?: PoolerAddress | undefined;
  readonly log: Logger;
  /** Counts statements and waits; by default nothing does. */
  readonly meters?: Meters;
}

/** The current servers, by name. */
export interface Servers {
  get(name: string): PostgresServer | undefined;
  keys(): Iterable<string>;
  values(): Iterable<PostgresServer>;
}

/**
 * Returns the server with this name.
 * @param shown what the error message calls it; clients that are not operators should not see its name
 * @throws {AppError} SERVER_BUSY if this process has not read it from the catalog yet
 */
export function serverNamed(servers: Pick<Servers, 'get'>, name: string, shown = `the server ${name}`): PostgresServer {
  const server = servers.get(name);
  if (server) return server;
  throw new AppError('SERVER_BUSY', `This process does not know ${shown} yet. Try again in a moment.`, {
    details: { retryAfterMs: 1000 },
  });
}

/** How long connecting to a host may take, unless its URL says so, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;

/** How long a connection is idle before the operating system checks whether the server's machine is there, in milliseconds. */
const KEEPALIVE_MS = 10_000;
/** How often all connections are replaced at most because a server refuses changes, in milliseconds. */
const LEAVE_MS = 5_000;

/**
 * One PostgreSQL server, and the pool of connections that this process may open to it. When the server does not answer,
 * further attempts to connect fail at once for a moment. Pools survive a change of the address.
 *
 * The admin owns the tenants' tables: `owner()` connects as the admin to one database, and `admin()` to the maintenance
 * database. Requests use pools of the tenants' roles (`routing/tenant-connections.ts`).
 */
export class PostgresServer implements AsyncDisposable {
  readonly name: string;
  readonly #budget: ServerPool;
  readonly #breaker: CircuitBreaker;
  readonly #waitMs: number;
  readonly #poolerBreaker: CircuitBreaker;
  readonly #admin: Pool;
  readonly #serving: Pool;
  readonly #adminAddress: ServerAddress | undefined;
  readonly #log: Logger;
  /** Those of each address, which the admin's may differ in. */
  readonly #hosts = new WeakMap<ServerAddress, HostList>();
  #address: ServerAddress | undefined;
  #pooler: PoolerAddress | undefined;
  #canAdminister = true;
  #leftAt = Number.NEGATIVE_INFINITY;

  constructor(name: string, address: ServerAddress | undefined, options: PostgresServerOptions) {
    this.name = name;
    this.#address = address;
    this.#adminAddress = options.admin;
    this.#waitMs = options.waitMs;
    this.#log = options.log;
    this.#pooler = options.pooler;
    this.#breaker = new CircuitBreaker(name, options.log);
    this.#poolerBreaker = new CircuitBreaker(name, options.log, 'connection pooler');
    const { meters = noMeters } = options;
    this.#budget = new ServerPool({
      ...options,
      attempt: (connect, { isPooled }) => (isPooled?.() ? this.#poolerBreaker : this.#breaker).attempt(connect),
      onRefusedChange: () => this.#leave(),
      onOpen: (client) => observeStatements(client, { server: name, meters }),
      onWaited: (ms) => {
        meters.connectionWait(name, ms);
        const request = currentRequest();
        if (request) request.waitMs += ms;
      },
      onLate: () => meters.connectionRefused(name),
    });
    const max = options.systemPoolSize;
    this.#admin = this.pool({ max, priority: 'admin' });
    this.#serving = this.pool({ max, priority: 'system', role: 'serving' });
  }

  /** The server's address. While it is undefined, connecting fails. */
  get address(): ServerAddress | undefined {
    return this.#address;
  }

  /** Which of the hosts of the address this process uses. */
  get host(): ServerHost | undefined {
    return this.#address && this.#hostsOf(this.#address).current;
  }

  /** Whether this process may create, migrate and delete databases on this server. */
  get canAdminister(): boolean {
    return this.#canAdminister;
  }

  /** Makes this process serve requests only: admin connections are rejected from now on. */
  renounceAdmin(): void {
    this.#canAdminister = false;
  }

  /** @throws {AppError} CONFLICT if this process only serves requests */
  requireAdmin(): void {
    if (this.#canAdminister) return;
    throw new AppError(
      'CONFLICT',
      'This process only serves requests: its database role may not create, migrate or delete. Use a process with ADMIN_DATABASE_URL, or the command line with it.',
    );
  }

  /** Whether the server did not answer the last attempt to connect. */
  get isDown(): boolean {
    return this.#breaker.isOpen;
  }

  /** For how long the server has not answered, in milliseconds; 0 if it has answered the last attempt to connect. */
  get downForMs(): number {
    return this.#breaker.openForMs;
  }

  /** Where tenants' requests connect; undefined if that is the server itself. */
  get pooler(): PoolerAddress | undefined {
    return this.#pooler;
  }

  /** Changes the addresses or the connection limit. Open connections are closed when they are released. */
  change(address: ServerAddress | undefined, budget: number, pooler?: PoolerAddress): void {
    this.#address = address;
    this.#pooler = pooler;
    this.#breaker.reset();
    this.#poolerBreaker.reset();
    this.#budget.renew(budget);
  }

  /** Changes the connection limit. Connections beyond it are closed when they are released. */
  limitTo(budget: number): void {
    this.#budget.limitTo(budget);
  }

  /** See {@link ServerPool.several}. */
  get several(): SeveralConnections {
    return this.#budget.several;
  }

  /** How many connections this process needs now, whatever its limit is. */
  get demand(): number {
    return this.#budget.demand;
  }

  /** The number of connections of this process to this server. */
  get stats(): ServerPoolStats & { readonly max: number } {
    return { ...this.#budget.stats, max: this.#budget.max };
  }

  /** Checks that the server answers, and throws the error otherwise. */
  async ping(signal?: AbortSignal): Promise<void> {
    await this.serving((client) => client.query('SELECT 1'), signal);
  }

  /**
   * Runs `use` with a connection to the maintenance database as the role of the server's address, which needs no privileges.
   * @param signal see {@link Pool.use}
   */
  serving<T>(use: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    // If the admin is that role, its connections serve both purposes.
    const pool = this.#canAdminister && !this.#adminAddress ? this.#admin : this.#serving;
    return pool.use(use, signal);
  }

  /**
   * Runs `use` with the admin's connection to the maintenance database, for creating databases and roles.
   * @param signal see {@link Pool.use}
   */
  admin<T>(use: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#admin.use(use, signal);
  }

  /**
   * Runs `use` with an admin's connection to a database. The connection is closed afterwards.
   * @param signal see {@link Pool.use}
   */
  owner<T>(database: string, use: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.pool({ database, max: 1, priority: 'tenant', keepIdle: false }).use(use, signal);
  }

  /** Runs a short query with an admin's connection for a caller that may hold a tenant's. `use` must not wait for other connections. */
  brief<T>(database: string | undefined, use: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.pool({ database, max: 1, priority: 'system', keepIdle: false }).use(use);
  }

  /** Creates a pool. A pool without a role rejects callers if this process only serves requests. */
  pool(request: PoolRequest): Pool {
    const pool = this.#budget.pool({
      max: request.max,
      priority: request.priority,
      keepIdle: request.keepIdle ?? true,
      keepFailed: request.keepFailed ?? true,
      silenceMs: request.silenceMs,
      isPatient: request.isPatient,
      isPooled: () => request.pooled === true && this.#pooler !== undefined,
      connection: () => this.connectionTo(request),
      hosts: () => {
        const address = request.pooled && this.#pooler ? undefined : this.#addressFor(request);
        return address && this.#hostsOf(address);
      },
    });
    const late = (cause: unknown) => noneLeft(this.name, cause);
    const connect = async (signal?: AbortSignal) => {
      if (!request.role) this.requireAdmin();
      return retryWhileFull(() => pool.connect(signal), { waitMs: this.#waitMs, late, signal });
    };
    return { ...pool, connect, use: (work, signal) => usePoolClient(connect, work, signal) };
  }

  /**
   * The parameters of a connection, with its password.
   * @throws {AppError} SERVER_BUSY if the address is unknown
   */
  connectionTo(
    request: Omit<PoolRequest, 'max' | 'priority'> & { readonly priority?: Priority },
  ): pg.ClientConfig & { readonly replication?: string } {
    const { role, session, priority = 'tenant' } = request;
    const address = this.#addressFor(request);
    if (!address) throw unknownAddress(this.name);
    const pooler = request.pooled ? this.#pooler : undefined;
    return {
      ...(pooler ? { host: pooler.host, port: pooler.port } : this.#hostsOf(address).current),
      ssl: (pooler ?? address).ssl,
      database: request.database ?? address.maintenanceDatabase,
      user: typeof role === 'object' ? role.name : address.user,
      password: typeof role === 'object' ? role.password : address.password,
      connectionTimeoutMillis: address.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      keepAlive: true,
      // By default, Linux notices after two hours that an idle connection's machine is gone.
      keepAliveInitialDelayMillis: KEEPALIVE_MS,
      ...(request.types && { types: request.types }),
      // The types of node-postgres leave it out.
      ...(request.replication && { replication: 'database' }),
      // A pooler refuses settings, or gives the connection with them to others.
      ...(!pooler && { application_name: APPLICATION_NAME, options: startupOptions(session, priority !== 'tenant') }),
    };
  }

  #addressFor({ role }: Pick<PoolRequest, 'role'>): ServerAddress | undefined {
    return role || !this.#address ? this.#address : (this.#adminAddress ?? this.#address);
  }

  #hostsOf(address: ServerAddress): HostList {
    const known = this.#hosts.get(address);
    if (known) return known;
    const hosts = new HostList(this.name, address, this.#log);
    this.#hosts.set(address, hosts);
    return hosts;
  }

  /** Closes the connections to a server that no longer accepts changes, so that the next connection looks for its primary. */
  #leave(): void {
    if (elapsedSince(this.#leftAt) < LEAVE_MS) return;
    this.#leftAt = performance.now();
    this.#log.warn(
      { server: this.name },
      'a PostgreSQL server has refused a change because it only reads; connecting anew',
    );
    this.#budget.renew(this.#budget.max);
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#budget.close();
  }
}
