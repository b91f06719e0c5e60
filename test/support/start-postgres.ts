import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import type { ServerAddress } from '../../src/config/server-address.ts';
import { createLoginRoleSql } from '../../src/postgres/admin/roles.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { giveBack } from './cluster-copies.ts';
import { makeClusterDir, makeInstallationDir } from './empty-cluster.ts';
import { endPostgres } from './end-postgres.ts';
import { startCluster, superuser } from './start-cluster.ts';

/** A PostgreSQL server of one test file, which several installations or processes can share. */
export interface TestPostgres extends AsyncDisposable {
  /** Where it is, with its superuser. */
  readonly address: ServerAddress;
  /** How a client connects as the superuser. */
  readonly connection: pg.ClientConfig;
  /** Settings of an installation on this server, as its superuser unless TEST_POSTGRES_ROLE says otherwise; the secrets are the same for every process. */
  readonly env: { readonly DATABASE_URL: string; readonly ROLE_SECRET: string; readonly JWT_SECRET: string };
  /** Such settings of an installation that goes through another port of this machine. */
  envThrough(port: number): TestPostgres['env'];
  /** The address of a database on this server, for a role or else the superuser. */
  url(database: string, user?: string, password?: string): string;
  /** Connects as the superuser; the connection ends with the server. */
  connect(database?: string): Promise<pg.Client>;
  /** Asks as the superuser, in the database `postgres` always on the same connection. */
  rows<Row extends pg.QueryResultRow>(sql: string, values?: unknown[], database?: string): Promise<Row[]>;
  /** Makes a login role that may own an installation, or has these attributes; gives the URL to connect as it. */
  createRole(role: string, password: string, attributes?: string): Promise<string>;
  stop(): Promise<void>;
  /** Ends it as a crash does; see {@link endPostgres}. */
  crash(): Promise<void>;
  /** Starts it again, at the same port. */
  restart(): Promise<void>;
}

/** The application name of the superuser's connections, which distinguishes them from those of the tested code. */
export const testApplication = 'tenantry test';

/** Starts a PostgreSQL as {@link startCluster} does, with settings of the server's own; its data go with it. */
export async function startTestPostgres(settings: Record<string, string> = {}): Promise<TestPostgres> {
  const dataDir = await makeClusterDir('tenantry-postgres-');
  return startIn(dataDir, settings, 'a secret that every process of the test knows');
}

/** Starts one on which `tenantry setup` has been, with the ROLE_SECRET of its `env`: the first start there takes seconds. */
export async function startInstalledPostgres(settings: Record<string, string> = {}): Promise<TestPostgres> {
  const dataDir = await makeInstallationDir('tenantry-postgres-');
  return startIn(dataDir, settings, await readFile(path.join(dataDir, 'role-secret'), 'utf8'));
}

async function startIn(dataDir: string, settings: Record<string, string>, roleSecret: string): Promise<TestPostgres> {
  let server = await startCluster(dataDir, settings);
  const { host, port, password } = server;
  const user = superuser;
  const address: ServerAddress = { host, port, user, password, maintenanceDatabase: 'postgres', ssl: false };
  const url = (database: string, role = user, itsPassword = password, through = port) =>
    `postgres://${role}:${encodeURIComponent(itsPassword)}@${host}:${through}/${database}`;
  const envThrough = (through: number) => ({
    DATABASE_URL: url('postgres', server.user, password, through),
    ROLE_SECRET: roleSecret,
    JWT_SECRET: 'another secret that every process of the test knows',
  });
  const clients: pg.Client[] = [];
  const connect = async (database = 'postgres') => {
    const client = new pg.Client({ connectionString: url(database), application_name: testApplication });
    client.on('error', () => undefined);
    clients.push(client);
    await client.connect();
    return client;
  };
  // At once, so that no test that counts backends sees it log in.
  let own: Promise<pg.Client> | undefined = connect();
  await own;
  const rows = async <Row extends pg.QueryResultRow>(sql: string, values: unknown[] = [], database = 'postgres') => {
    if (database === 'postgres') {
      own ??= connect();
      return (await (await own).query<Row>(sql, values)).rows;
    }
    // An open connection would keep others from copying or dropping the database.
    const client = await connect(database);
    try {
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    address,
    connection: { host, port, user, password, database: 'postgres' },
    env: envThrough(port),
    envThrough,
    url: (database, role, itsPassword) => url(database, role, itsPassword),
    connect,
    rows,
    async createRole(role, itsPassword, attributes = 'CREATEDB CREATEROLE') {
      const name = quoteIdentifier(role);
      await rows(`
        ${createLoginRoleSql(role, itsPassword)} ALTER ROLE ${name} ${attributes};
        GRANT CONNECT ON DATABASE postgres TO ${name}`);
      return url('postgres', role, itsPassword);
    },
    async stop() {
      own = undefined;
      await server.stop();
    },
    async crash() {
      own = undefined;
      await endPostgres(dataDir);
    },
    async restart() {
      server = await startCluster(dataDir, settings);
      if (server.port !== port) throw new Error(`PostgreSQL is at port ${server.port} now, and was at ${port}`);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
      await endPostgres(dataDir);
      await giveBack(dataDir);
    },
  };
}
