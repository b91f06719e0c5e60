import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { loadConfig } from '../src/config/config.ts';
import { type Installation, openInstallation } from '../src/installation/open.ts';
import { dropOwnedSql } from '../src/postgres/admin/roles.ts';
import { quoteIdentifier } from '../src/postgres/sql/quote.ts';
import { tenantRole } from '../src/routing/placement.ts';
import { product } from '../test/fixture/product.ts';

/** A PostgreSQL server, the settings of an installation and a folder for a benchmark. Disposing of it removes everything. */
export interface BenchInstallation extends AsyncDisposable {
  readonly databaseUrl: string;
  /** Databases and roles with this prefix are dropped at the end. */
  readonly prefix: string;
  readonly folder: string;
  /** The settings, for processes that share the installation. */
  readonly env: Readonly<Record<string, string>>;
  /** Opens the installation in this process. */
  openApp(env?: Readonly<Record<string, string>>): Promise<Installation>;
  /** Opens a connection as the owner. It is closed with the installation at the latest. */
  connect(database?: string): Promise<pg.Client>;
  /** The URL of one of its databases. */
  urlOf(database: string): string;
  /**
   * Stops PostgreSQL and starts it again with the same data and port.
   * @throws {Error} if it is the server of BENCH_DATABASE_URL, or the port was taken meanwhile
   */
  restartPostgres(): Promise<void>;
  /** Registers a clean-up that runs before the rest is removed. */
  defer(cleanUp: () => Promise<unknown>): void;
}

/** Benchmarks use the product of the platform's tests, so that they work with any product. */
export const fixture = {
  TENANT_MIGRATIONS_DIR: path.join(import.meta.dirname, '../test/fixture/migrations'),
  // It has no migrations of common, so there is no such folder.
  COMMON_MIGRATIONS_DIR: path.join(import.meta.dirname, '../test/fixture/common'),
};

/**
 * Prepares an installation on an embedded PostgreSQL, or on an external server.
 * @param ownServer the URL of a server that is removed with all its data; by default the server is that of BENCH_DATABASE_URL
 */
export async function openBenchInstallation(ownServer?: string): Promise<BenchInstallation> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  const external = ownServer ?? process.env.BENCH_DATABASE_URL;
  const embedded = external === undefined ? await startEmbedded(folder, stack) : undefined;
  const databaseUrl = external ?? embedded?.url ?? '';
  const prefix = `bench_${randomBytes(4).toString('hex')}`;
  const env = {
    NODE_ENV: 'production',
    LOG_LEVEL: 'warn',
    DATABASE_URL: databaseUrl,
    DATA_DIR: folder,
    AUTH_DATABASE: `${prefix}_auth`,
    CONSTANTS_DATABASE: `${prefix}_constants`,
    SHARED_DATABASE: `${prefix}_shared`,
    ...fixture,
    ROLE_SECRET: randomBytes(32).toString('base64url'),
    JWT_SECRET: randomBytes(32).toString('base64url'),
  };
  // The data of the embedded server is removed as a whole.
  if (external && !ownServer) stack.defer(() => dropEverything(databaseUrl, prefix));
  const urlOf = (database: string) => Object.assign(new URL(databaseUrl), { pathname: `/${database}` }).href;
  const opened = stack.move();
  return {
    databaseUrl,
    prefix,
    folder,
    env,
    openApp: (more = {}) =>
      openInstallation(loadConfig({ ...env, ...more }), product, pino({ level: 'warn' }, process.stderr)),
    async connect(database) {
      const client = new pg.Client(database === undefined ? databaseUrl : urlOf(database));
      client.on('error', () => undefined);
      await client.connect();
      opened.defer(() => client.end());
      return client;
    },
    urlOf,
    async restartPostgres() {
      if (!embedded) throw new Error('Cannot restart the server of BENCH_DATABASE_URL. Unset that variable.');
      await embedded.restart();
    },
    defer: (cleanUp) => opened.defer(async () => void (await cleanUp())),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

interface EmbeddedServer {
  readonly url: string;
  restart(): Promise<void>;
}

async function startEmbedded(folder: string, stack: AsyncDisposableStack): Promise<EmbeddedServer> {
  const { startEmbeddedPostgres } = await import('../src/postgres/embedded/start.ts');
  // PostgreSQL's user must be able to access the folder; otherwise the data would be stored elsewhere.
  await chmod(folder, 0o755);
  const dataDir = path.join(folder, 'data');
  // The hand-written map of pools has no budget and must not fail for lack of connections.
  const start = () => startEmbeddedPostgres({ dataDir, settings: { max_connections: '400' } });
  let postgres = await start();
  stack.defer(() => postgres.stop());
  const { host, port, user, password } = postgres;
  return {
    url: `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/postgres`,
    async restart() {
      await postgres.stop();
      postgres = await start();
      if (postgres.port !== port) throw new Error(`PostgreSQL came back on port ${postgres.port} instead of ${port}`);
    },
  };
}

async function dropEverything(databaseUrl: string, prefix: string): Promise<void> {
  const auth = `${prefix}_auth`;
  const keys = await query<{ key: string }>(
    Object.assign(new URL(databaseUrl), { pathname: `/${auth}` }).href,
    'SELECT key FROM tenants',
  ).catch(() => []);
  const databases = await query<{ name: string }>(
    databaseUrl,
    `SELECT datname AS name FROM pg_database WHERE starts_with(datname, '${prefix}')`,
  );
  for (const name of [...keys.map(({ key }) => `db_${key}`), ...databases.map(({ name }) => name)]) {
    await query(databaseUrl, `DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`);
  }
  const roles = await query<{ name: string }>(
    databaseUrl,
    `SELECT rolname AS name FROM pg_roles WHERE starts_with(rolname, '${prefix}')`,
  );
  for (const role of [...keys.map(({ key }) => tenantRole(key)), ...roles.map(({ name }) => name)]) {
    // Set-up has granted CONNECT on PostgreSQL's own databases to each role that existed.
    await query(databaseUrl, `${dropOwnedSql(role)} DROP ROLE IF EXISTS ${quoteIdentifier(role)}`);
  }
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}
