import type pg from 'pg';
import type { ServerAddress } from '../config.ts';
import { type BudgetOptions, type BudgetStats, ConnectionBudget, type Lane } from './connection-budget.ts';

/** What makes the connections of a lane alike. */
export interface LaneRequest {
  readonly database: string;
  /** The role to connect as; without it the owner, who may do everything. */
  readonly role?: { readonly name: string; readonly password: string };
  readonly max: number;
  readonly priority: 'system' | 'tenant';
  /** See {@link LaneOptions.keepIdle}. */
  readonly keepIdle?: boolean;
  /** Settings of each session, such as `search_path`; they are sent with the connection and cost no round trip. */
  readonly session?: Readonly<Record<string, string>>;
  /** How node-postgres turns values into JavaScript's. */
  readonly types?: pg.CustomTypesConfig;
}

/** One PostgreSQL server, and the budget of connections that this process may hold on it. */
export class PostgresServer implements AsyncDisposable {
  readonly name: string;
  readonly address: ServerAddress;
  readonly #budget: ConnectionBudget;
  readonly #admin: Lane;

  constructor(name: string, address: ServerAddress, options: BudgetOptions & { readonly systemPoolSize: number }) {
    this.name = name;
    this.address = address;
    this.#budget = new ConnectionBudget(options);
    this.#admin = this.lane({
      database: address.maintenanceDatabase,
      max: options.systemPoolSize,
      priority: 'system',
    });
  }

  /** Connections of this process on this server. */
  get stats(): BudgetStats & { readonly max: number } {
    return { ...this.#budget.stats, max: this.#budget.max };
  }

  /** Lends the owner's connection to the maintenance database, where databases and roles are made. */
  admin<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.#admin.use(use);
  }

  /** Lends an owner's connection to a database, which is closed afterwards. */
  owner<T>(database: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.lane({ database, max: 1, priority: 'tenant', keepIdle: false }).use(use);
  }

  /** Makes a lane of this server's budget. */
  lane(request: LaneRequest): Lane {
    const { address } = this;
    return this.#budget.lane({
      max: request.max,
      priority: request.priority,
      keepIdle: request.keepIdle ?? true,
      connection: {
        host: address.host,
        port: address.port,
        ssl: address.ssl,
        database: request.database,
        user: request.role?.name ?? address.user,
        password: request.role?.password ?? address.password,
        application_name: 'tenantry',
        connectionTimeoutMillis: 10_000,
        keepAlive: true,
        ...(request.types && { types: request.types }),
        ...(request.session && { options: startupOptions(request.session) }),
      },
    });
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#budget.close();
  }
}

/** @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS */
function startupOptions(session: Readonly<Record<string, string>>): string {
  return Object.entries(session)
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\ ]/g, '\\$&')}`)
    .join(' ');
}
