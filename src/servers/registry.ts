import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import {
  deleteServerRow,
  readServerRows,
  type ServerChange,
  type ServerRow,
  saveServerRow,
  updateServerRow,
} from '../catalog/server-queries.ts';
import { type Budget, firstBudget, shareOf } from '../config/divide-budgets.ts';
import { type PoolerAddress, parsePoolerUrl, parseServerUrl, type ServerAddress } from '../config/server-address.ts';
import type { Encryption } from '../lib/encryption.ts';
import { AppError, badInput, messageOf } from '../lib/errors.ts';
import type { Listener } from '../postgres/listener.ts';
import type { PostgresServer, Servers } from '../postgres/server.ts';
import { checkServer, readServerFacts } from './check.ts';
import { decryptPooler, decryptServer, encryptPoolerUrl, undecryptable } from './poolers/stored-urls.ts';
import type { Provisioner } from './provisioner.ts';

/** What the registry of servers needs. */
export interface ServerRegistryOptions {
  readonly catalog: Catalog;
  readonly listener: Listener;
  /** Decrypts the URLs of the catalog. */
  readonly encryption: Encryption;
  /** The server of the settings. */
  readonly first: PostgresServer;
  /** The connection budget of servers whose row has none. */
  readonly defaultBudget: Budget;
  /** Among how many processes the budgets of rows are divided. */
  readonly processes: number;
  /** @param address undefined if it is unknown */
  readonly openServer: (
    name: string,
    address: ServerAddress | undefined,
    budget: number,
    pooler: PoolerAddress | undefined,
  ) => PostgresServer;
  readonly provisionerFor: (server: PostgresServer) => Provisioner;
  /** Checks that tenants' requests can go through the server's pooler; see `servers/poolers/check-pooler.ts`. */
  readonly checkPooler: (server: PostgresServer) => Promise<void>;
  readonly log: Logger;
}

/** A server of the catalog, with this process's connections to it. */
export interface KnownServer {
  readonly row: ServerRow;
  readonly server: PostgresServer;
  readonly provisioner: Provisioner;
}

/** The connection budget for checking whether a server can hold tenants. */
const TRIAL_BUDGET = 5;

/** How long to wait before reading the servers again after a failure, in milliseconds. */
const READ_AGAIN_MS = 5_000;

/**
 * The PostgreSQL servers of the catalog. It follows changes in the catalog while this process runs. It includes servers that are
 * down, which affects only their own tenants.
 */
export class ServerRegistry implements Servers, AsyncDisposable {
  readonly #options: ServerRegistryOptions;
  /** One object per name for the lifetime of this process: pools of a removed server work again when it is added again. */
  readonly #opened = new Map<string, PostgresServer>();
  #known: ReadonlyMap<string, KnownServer> = new Map();
  #reading: Promise<void> = Promise.resolve();
  #readAgain: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ServerRegistryOptions) {
    this.#options = options;
    this.#opened.set(options.first.name, options.first);
  }

  /**
   * Reads the servers and sets up the first one for tenants. The others are prepared in the background.
   * @throws {ForeignDatabaseError} if the first server's shared database belongs to somebody else
   */
  async start(): Promise<void> {
    const { listener } = this.#options;
    listener.on('servers', () => this.#notice());
    await this.refresh();
    const { provisioner, server } = await this.find(FIRST_SERVER);
    if (server.canAdminister) await provisioner.setUp();
  }

  /**
   * Builds the first server's template, which takes as long as the tenants' migrations. Existing tenants are served meanwhile,
   * and also if it fails. Never throws.
   * @returns why tenants cannot be created, if it failed
   */
  async prepareFirst(): Promise<string | undefined> {
    const { log } = this.#options;
    try {
      const { provisioner, server } = await this.find(FIRST_SERVER);
      server.requireAdmin();
      await provisioner.prepare();
      return undefined;
    } catch (err) {
      if (this.#stopped) return undefined;
      log.error(`tenants cannot be created until this is fixed: ${messageOf(err)}`);
      log.debug({ err }, 'could not build the template for tenants');
      return messageOf(err);
    }
  }

  get(name: string): PostgresServer | undefined {
    return this.#known.get(name)?.server;
  }

  keys(): Iterable<string> {
    return this.#known.keys();
  }

  values(): readonly PostgresServer[] {
    return [...this.#known.values()].map(({ server }) => server);
  }

  /** All servers, in the order in which they were added. */
  known(): readonly KnownServer[] {
    return [...this.#known.values()];
  }

  /** Whether this process's budget on a server is fixed, and not divided with other processes. */
  hasFixedBudget({ connectionBudget }: ServerRow): boolean {
    return connectionBudget !== null || this.#options.defaultBudget !== 'auto';
  }

  /** @throws {AppError} NOT_FOUND */
  async find(name: string): Promise<KnownServer> {
    // It may have been added just now, before the notification arrived.
    if (!this.#known.has(name)) await this.refresh();
    const known = this.#known.get(name);
    if (known) return known;
    throw new AppError(
      'NOT_FOUND',
      `There is no server ${name}. The servers are: ${[...this.#known.keys()].join(', ')}`,
    );
  }

  /**
   * Adds a server after checking that it can hold tenants. If the same PostgreSQL already has this name, its URL is updated, such
   * as for a new password or address.
   * @param poolerUrl that of a pooler for its tenants' requests; undefined to keep what it has
   * @returns whether it was added
   * @throws {AppError} BAD_USER_INPUT if it cannot hold tenants, or if the pooler does not lead to it; CONFLICT if the name is taken
   *   or the server has another name
   */
  async add(name: string, url: string, poolerUrl?: string): Promise<boolean> {
    const { encryption, catalog, first, openServer, provisionerFor, checkPooler } = this.#options;
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
      throw badInput(
        'name',
        "A server's name must have 1 to 63 characters of a to z, 0 to 9 and -, and must not begin with -",
      );
    }
    first.requireAdmin();
    if (name === FIRST_SERVER) {
      throw new AppError('CONFLICT', `The server ${name} comes from the settings: change DATABASE_URL instead`);
    }
    const pooler = poolerUrl === undefined ? undefined : parsePoolerUrl(poolerUrl);
    await using trial = openServer(name, parseServerUrl(url), TRIAL_BUDGET, pooler);
    const { systemIdentifier } = await checkServer(trial);
    if (systemIdentifier === (await readServerFacts(first)).systemIdentifier) {
      throw new AppError('CONFLICT', `This PostgreSQL is already the server ${FIRST_SERVER}`);
    }
    await provisionerFor(trial).prepare();
    await checkPooler(trial);
    const added = await catalog.use((client) =>
      saveServerRow(client, {
        name,
        url: encryption.encrypt(url, name),
        poolerUrl: poolerUrl === undefined ? null : encryptPoolerUrl(encryption, name, poolerUrl),
        systemIdentifier,
      }),
    );
    await this.refresh();
    return added;
  }

  /**
   * Changes a server. What is undefined stays as it is.
   * @param change acceptsTenants: whether it accepts new tenants, created, cloned, imported or moved there; poolerUrl: the pooler
   *   for its tenants' requests, null for none
   * @throws {AppError} NOT_FOUND; CONFLICT for the pooler of the first server, BAD_USER_INPUT if the pooler does not lead to it, or if the
   *   server itself cannot be used
   */
  async update(name: string, change: ServerChange): Promise<void> {
    const { encryption, catalog, openServer, provisionerFor, checkPooler } = this.#options;
    const { acceptsTenants, poolerUrl } = change;
    if (poolerUrl !== undefined && name === FIRST_SERVER) {
      throw new AppError('CONFLICT', `The server ${name} comes from the settings: change DATABASE_POOLER_URL instead`);
    }
    if (poolerUrl != null) {
      const pooler = parsePoolerUrl(poolerUrl);
      const { server } = await this.find(name);
      if (!server.address) throw undecryptable(name);
      await using trial = openServer(name, server.address, TRIAL_BUDGET, pooler);
      await checkServer(trial);
      await provisionerFor(trial).setUp();
      await checkPooler(trial);
    }
    const encrypted = poolerUrl == null ? poolerUrl : encryptPoolerUrl(encryption, name, poolerUrl);
    await catalog.use((client) => updateServerRow(client, name, { acceptsTenants, poolerUrl: encrypted }));
    await this.refresh();
  }

  /**
   * Removes a server without tenants from the catalog. The databases that were created on it stay there.
   * @throws {AppError} NOT_FOUND, or CONFLICT if it has tenants or is the first server
   */
  async remove(name: string): Promise<void> {
    await this.#options.catalog.use((client) => deleteServerRow(client, name));
    await this.refresh();
  }

  /** Reads the servers again. The result includes everything that was committed before the call. */
  refresh(): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#read());
    return this.#reading;
  }

  /** Closes all servers except the first one, whose owner closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#readAgain);
    const others = [...this.#opened.values()].filter((server) => server !== this.#options.first);
    await Promise.all(others.map((server) => server[Symbol.asyncDispose]()));
  }

  #notice(): void {
    if (this.#stopped) return;
    clearTimeout(this.#readAgain);
    this.refresh().catch((err: unknown) => {
      if (this.#stopped) return;
      this.#options.log.warn({ err }, 'could not read the servers; will try again');
      this.#readAgain = setTimeout(() => this.#notice(), READ_AGAIN_MS).unref();
    });
  }

  async #read(): Promise<void> {
    const rows = await this.#options.catalog.use(readServerRows);
    if (this.#stopped) return;
    const before = this.#known;
    const known = new Map(rows.map((row) => [row.name, this.#knownFrom(row, before.get(row.name))]));
    this.#known = known;
    for (const [name, { server }] of before) {
      if (!known.has(name)) server.change(undefined, firstBudget(this.#options.defaultBudget), undefined);
    }
  }

  #knownFrom(row: ServerRow, before: KnownServer | undefined): KnownServer {
    const isSame = (['url', 'poolerUrl', 'connectionBudget'] as const).every((key) => before?.row[key] === row[key]);
    if (before && isSame) return { ...before, row };
    const { first, provisionerFor, log } = this.#options;
    const server = this.#open(row);
    const provisioner = provisionerFor(server);
    if (server !== first && server.address && server.canAdminister) {
      provisioner.prepare().catch((err: unknown) => {
        if (!this.#stopped) log.warn({ err, server: row.name }, 'could not prepare a server for tenants');
      });
    }
    return { row, server, provisioner };
  }

  #open(row: ServerRow): PostgresServer {
    const { first, defaultBudget, processes, openServer } = this.#options;
    const isFirst = row.name === first.name;
    const pooler = isFirst ? first.pooler : decryptPooler(this.#options.encryption, row);
    const known = this.#opened.get(row.name);
    const divided = known?.stats.max ?? firstBudget(defaultBudget);
    const own = row.connectionBudget === null ? undefined : shareOf(row.connectionBudget, processes);
    const budget = own ?? (defaultBudget === 'auto' ? divided : defaultBudget);
    const address = isFirst ? first.address : this.#addressOf(row);
    if (!known) {
      const server = openServer(row.name, address, budget, pooler);
      if (!first.canAdminister) server.renounceAdmin();
      this.#opened.set(row.name, server);
      return server;
    }
    if (known !== first || known.stats.max !== budget) known.change(address, budget, pooler);
    return known;
  }

  #addressOf(row: ServerRow): ServerAddress | undefined {
    const address = decryptServer(this.#options.encryption, row);
    if (!address) this.#options.log.error({ server: row.name }, undecryptable(row.name).message);
    return address;
  }
}
