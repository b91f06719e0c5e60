import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { FIRST_SERVER } from '../catalog/entities/database-server.entity.ts';
import { deleteServerRow, readServerRows, type ServerRow, saveServerRow } from '../catalog/server-queries.ts';
import { parseServerUrl, type ServerAddress } from '../config/database-url.ts';
import type { Encryption } from '../lib/encryption.ts';
import { AppError, badInput, messageOf } from '../lib/errors.ts';
import type { Listener } from '../postgres/listener.ts';
import type { PostgresServer, Servers } from '../postgres/server.ts';
import { checkServer, readServerFacts } from './check.ts';
import type { Provisioner } from './provisioner.ts';

/** What knowing the servers needs. */
export interface ServerRegistryOptions {
  readonly catalog: Catalog;
  readonly listener: Listener;
  /** Opens the URLs of the catalog. */
  readonly encryption: Encryption;
  /** The server that the settings tell. */
  readonly first: PostgresServer;
  /** Connections to a server whose row has no budget of its own. */
  readonly defaultBudget: number;
  /** @param address undefined if it is not known */
  readonly openServer: (name: string, address: ServerAddress | undefined, budget: number) => PostgresServer;
  readonly provisionerFor: (server: PostgresServer) => Provisioner;
  readonly log: Logger;
}

/** A server of the catalog, and what this process reaches it with. */
export interface KnownServer {
  readonly row: ServerRow;
  readonly server: PostgresServer;
  readonly provisioner: Provisioner;
}

/** Connections for finding out whether a server can hold tenants. */
const TRIAL_BUDGET = 5;

/** How long to wait before the servers are read again, after that failed, in milliseconds. */
const READ_AGAIN_MS = 5_000;

/**
 * The PostgreSQL servers of the catalog, as they are at this moment: what is added, changed or removed there is noticed while
 * this process runs. A server that is down is known all the same; only its own tenants have to do without it.
 */
export class ServerRegistry implements Servers, AsyncDisposable {
  readonly #options: ServerRegistryOptions;
  /** One object a name as long as this process lives: lanes of one that was removed work again when it is back. */
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
   * Reads the servers, and makes what the first needs to hold tenants; the others get ready in the background.
   * @throws {ForeignDatabaseError} if the first one's shared database is somebody else's
   */
  async start(): Promise<void> {
    const { listener } = this.#options;
    listener.on('servers', () => this.#notice());
    await this.refresh();
    const { provisioner, server } = await this.find(FIRST_SERVER);
    if (server.canAdminister) await provisioner.setUp();
  }

  /**
   * Builds the first server's template, which takes as long as the tenants' migrations do: those that there are can be served
   * meanwhile, and if it fails. It never throws.
   * @returns why no tenant can be created, if it failed
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
      log.error(`tenants cannot be created until this is mended: ${messageOf(err)}`);
      log.debug({ err }, 'the template for tenants cannot be built');
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

  /** @throws {AppError} NOT_FOUND */
  async find(name: string): Promise<KnownServer> {
    // It may have been added a moment ago, and the notification be on its way.
    if (!this.#known.has(name)) await this.refresh();
    const known = this.#known.get(name);
    if (known) return known;
    throw new AppError('NOT_FOUND', `There is no server ${name}; there are ${[...this.#known.keys()].join(', ')}`);
  }

  /**
   * Adds a server for tenants, once it is proven that it can hold them. One that is there already, the same PostgreSQL under
   * the same name, gets the new URL: another password, or another address.
   * @returns whether it was added
   * @throws {AppError} BAD_USER_INPUT if it cannot hold tenants, CONFLICT if its name is taken or it has another name already
   */
  async add(name: string, url: string): Promise<boolean> {
    const { encryption, catalog, first, openServer, provisionerFor } = this.#options;
    if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
      throw badInput(
        'name',
        "A server's name has 1 to 63 characters of a to z, 0 to 9 and -, and does not begin with -",
      );
    }
    first.requireAdmin();
    if (name === FIRST_SERVER) {
      throw new AppError('CONFLICT', `The server ${name} is the one of the settings: change DATABASE_URL instead`);
    }
    await using trial = openServer(name, parseServerUrl(url), TRIAL_BUDGET);
    const { systemIdentifier } = await checkServer(trial);
    if (systemIdentifier === (await readServerFacts(first)).systemIdentifier) {
      throw new AppError('CONFLICT', `This PostgreSQL is the server ${FIRST_SERVER} already`);
    }
    await provisionerFor(trial).prepare();
    const added = await catalog.use((client) =>
      saveServerRow(client, { name, url: encryption.encrypt(url, name), systemIdentifier }),
    );
    await this.refresh();
    return added;
  }

  /**
   * Removes a server without tenants. The databases that were made on it are left there.
   * @throws {AppError} NOT_FOUND, or CONFLICT if tenants are on it or it is the first
   */
  async remove(name: string): Promise<void> {
    await this.#options.catalog.use((client) => deleteServerRow(client, name));
    await this.refresh();
  }

  /** Reads the servers anew. When it is done, all that was committed before the call is known. */
  refresh(): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#read());
    return this.#reading;
  }

  /** Closes all connections, except the first server's, which is not this one's to close. */
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
      this.#options.log.warn({ err }, 'the servers cannot be read; trying again');
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
      if (!known.has(name)) server.change(undefined, this.#options.defaultBudget);
    }
  }

  #knownFrom(row: ServerRow, before: KnownServer | undefined): KnownServer {
    if (before && before.row.url === row.url && before.row.connectionBudget === row.connectionBudget) {
      return { ...before, row };
    }
    const { first, provisionerFor, log } = this.#options;
    const server = this.#open(row);
    const provisioner = provisionerFor(server);
    if (server !== first && server.address && server.canAdminister) {
      provisioner.prepare().catch((err: unknown) => {
        if (!this.#stopped) log.warn({ err, server: row.name }, 'a server is not ready for tenants yet');
      });
    }
    return { row, server, provisioner };
  }

  #open(row: ServerRow): PostgresServer {
    const { first, defaultBudget, openServer } = this.#options;
    const budget = row.connectionBudget ?? defaultBudget;
    const address = row.name === first.name ? first.address : this.#addressOf(row);
    const known = this.#opened.get(row.name);
    if (!known) {
      const server = openServer(row.name, address, budget);
      if (!first.canAdminister) server.renounceAdmin();
      this.#opened.set(row.name, server);
      return server;
    }
    if (known !== first || known.stats.max !== budget) known.change(address, budget);
    return known;
  }

  #addressOf({ name, url }: ServerRow): ServerAddress | undefined {
    const opened = url === null ? undefined : this.#options.encryption.decrypt(url, name);
    if (opened !== undefined) return parseServerUrl(opened);
    this.#options.log.error(
      { server: name },
      'the URL of a server was stored with another ROLE_SECRET; store it again with: tenantry server add',
    );
    return undefined;
  }
}
