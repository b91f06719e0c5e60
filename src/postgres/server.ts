import type pg from 'pg';
import type { Logger } from 'pino';
import type { ServerAddress } from '../config/database-url.ts';
import { AppError } from '../lib/errors.ts';
import { CircuitBreaker } from './pool/circuit-breaker.ts';
import type { Pool, Priority } from './pool/pool.ts';
import { ServerPool, type ServerPoolOptions, type ServerPoolStats } from './pool/server-pool.ts';

/** What makes the connections of a lane alike. */
export interface PoolRequest {
  /** Without it the maintenance database. */
  readonly database?: string;
  /** The role to connect as; `serving` is that of the server's address; without it the admin, who may do everything. */
  readonly role?: { readonly name: string; readonly password: string } | 'serving';
  readonly max: number;
  readonly priority: Priority;
  /** See {@link LaneOptions.keepIdle}. */
  readonly keepIdle?: boolean;
  /** See {@link LaneOptions.keepFailed}. */
  readonly keepFailed?: boolean;
  /** See {@link LaneOptions.silenceMs}. */
  readonly silenceMs?: number;
  /** Settings of each session, such as `search_path`; they are sent with the connection and cost no round trip. */
  readonly session?: Readonly<Record<string, string>>;
  /** How node-postgres turns values into JavaScript's. */
  readonly types?: pg.CustomTypesConfig;
}

/** What a server's connections have in common. */
export interface PostgresServerOptions extends ServerPoolOptions {
  readonly systemPoolSize: number;
  /** Where, and as whom, the admin connects; by default the server's address says that too. */
  readonly admin?: ServerAddress | undefined;
  readonly log: Logger;
}

/** The servers that there are at this moment, by name. */
export interface Servers {
  get(name: string): PostgresServer | undefined;
  keys(): Iterable<string>;
  values(): Iterable<PostgresServer>;
}

/** How long connecting to a server may take, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * PostgreSQL ends a statement, and drops its locks, within two seconds after the process that sent it was killed. Otherwise it
 * would look only when the statement is done. PostgreSQL on Windows refuses the setting: who develops there has it there.
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
 */
const everySession: Readonly<Record<string, string>> =
  process.platform === 'win32' ? {} : { client_connection_check_interval: '2s' };

/**
 * One PostgreSQL server, and the budget of connections that this process may hold on it. Connecting fails at once for a
 * moment after the server did not answer. Lanes outlive a change of the address.
 */
export class PostgresServer implements AsyncDisposable {
  readonly name: string;
  readonly #budget: ServerPool;
  readonly #breaker: CircuitBreaker;
  readonly #admin: Pool;
  readonly #serving: Pool;
  readonly #adminAddress: ServerAddress | undefined;
  #address: ServerAddress | undefined;
  #canAdminister = true;

  constructor(name: string, address: ServerAddress | undefined, options: PostgresServerOptions) {
    this.name = name;
    this.#address = address;
    this.#adminAddress = options.admin;
    this.#breaker = new CircuitBreaker(name, options.log);
    this.#budget = new ServerPool({ ...options, attempt: (connect) => this.#breaker.attempt(connect) });
    const most = { max: options.systemPoolSize, priority: 'system' } as const;
    this.#admin = this.pool(most);
    this.#serving = this.pool({ ...most, role: 'serving' });
  }

  /** Where it is; undefined while that is not known, and connecting fails. */
  get address(): ServerAddress | undefined {
    return this.#address;
  }

  /** Whether this process may create, migrate and delete here. */
  get canAdminister(): boolean {
    return this.#canAdminister;
  }

  /** From now on this process only serves: whatever needs the admin's connections is refused. */
  renounceAdmin(): void {
    this.#canAdminister = false;
  }

  /** @throws {AppError} CONFLICT if this process only serves */
  requireAdmin(): void {
    if (this.#canAdminister) return;
    throw new AppError(
      'CONFLICT',
      'This process only serves: it has no connection that may create, migrate or delete. Ask a process that has ADMIN_DATABASE_URL, or use the command line with it.',
    );
  }

  /** Whether it did not answer when it was last connected to. */
  get isDown(): boolean {
    return this.#breaker.isOpen;
  }

  /** Moves to another address, or budget: connections that are open end when they are given back. */
  change(address: ServerAddress | undefined, budget: number): void {
    this.#address = address;
    this.#breaker.reset();
    this.#budget.renew(budget);
  }

  /** Connections of this process on this server. */
  get stats(): ServerPoolStats & { readonly max: number } {
    return { ...this.#budget.stats, max: this.#budget.max };
  }

  /** Makes sure that it answers; the error that it throws otherwise says why not. */
  async ping(signal?: AbortSignal): Promise<void> {
    await this.serving((client) => client.query('SELECT 1'), signal);
  }

  /**
   * Lends a connection to the maintenance database as the role of the server's address, which need not be allowed anything.
   * @param signal see {@link Pool.use}
   */
  serving<T>(use: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    // Where the admin is that role, its connections do as well.
    const pool = this.#canAdminister && !this.#adminAddress ? this.#admin : this.#serving;
    return pool.use(use, signal);
  }

  /**
   * Lends the owner's connection to the maintenance database, where databases and roles are made.
   * @param signal see {@link Pool.use}
   */
  admin<T>(use: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#admin.use(use, signal);
  }

  /**
   * Lends an owner's connection to a database, which is closed afterwards.
   * @param signal see {@link Pool.use}
   */
  owner<T>(database: string, use: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.pool({ database, max: 1, priority: 'tenant', keepIdle: false }).use(use, signal);
  }

  /** Makes a lane of this server's budget. One without a role refuses callers if this process only serves. */
  pool(request: PoolRequest): Pool {
    const pool = this.#budget.pool({
      max: request.max,
      priority: request.priority,
      keepIdle: request.keepIdle ?? true,
      keepFailed: request.keepFailed ?? true,
      silenceMs: request.silenceMs,
      connection: () => this.#connectionTo(request),
    });
    if (request.role) return pool;
    return {
      ...pool,
      connect: async () => {
        this.requireAdmin();
        return pool.connect();
      },
      use: async (work, signal) => {
        this.requireAdmin();
        return pool.use(work, signal);
      },
    };
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#budget.close();
  }

  #connectionTo(request: PoolRequest): pg.ClientConfig {
    const { role } = request;
    const address = role || !this.#address ? this.#address : (this.#adminAddress ?? this.#address);
    if (!address) throw unknownAddress(this.name);
    return {
      host: address.host,
      port: address.port,
      ssl: address.ssl,
      database: request.database ?? address.maintenanceDatabase,
      user: typeof role === 'object' ? role.name : address.user,
      password: typeof role === 'object' ? role.password : address.password,
      application_name: 'tenantry',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      ...(request.types && { types: request.types }),
      options: startupOptions({ ...everySession, ...request.session }),
    };
  }
}

function unknownAddress(server: string): AppError {
  return new AppError(
    'SERVER_BUSY',
    `The address of the PostgreSQL server ${server} is not known at present; the log tells its operator why.`,
    { details: { retryAfterMs: 1000 } },
  );
}

/** @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS */
function startupOptions(session: Readonly<Record<string, string>>): string {
  return Object.entries(session)
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`)
    .join(' ');
}
