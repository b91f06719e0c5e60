import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { removeDataDir } from './remove-data-dir.ts';

/** A PostgreSQL server that several installations or processes of a test share. */
export interface TestPostgres extends AsyncDisposable {
  /** Settings of an installation on this server, as its superuser; the secret is the same for every process. */
  readonly env: { readonly DATABASE_URL: string; readonly ROLE_SECRET: string };
  /** The address of a database on this server, for a role or else the superuser. */
  url(database: string, user?: string, password?: string): string;
  /** Connects as the superuser; the connection ends with the server. */
  connect(database?: string): Promise<pg.Client>;
  /** Asks as the superuser. */
  rows<Row extends pg.QueryResultRow>(sql: string, values?: unknown[], database?: string): Promise<Row[]>;
}

/** Starts an embedded PostgreSQL; its data go with it. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-postgres-'));
  const server = await startEmbeddedPostgres({ dataDir, settings: { fsync: 'off', max_connections: '200' } });
  const url = (database: string, user = server.user, password = server.password) =>
    `postgres://${user}:${encodeURIComponent(password)}@${server.host}:${server.port}/${database}`;
  const open = new Map<string, Promise<pg.Client>>();
  const clients: pg.Client[] = [];
  const connect = async (database = 'postgres') => {
    const client = new pg.Client({ connectionString: url(database) });
    client.on('error', () => undefined);
    clients.push(client);
    await client.connect();
    return client;
  };
  return {
    env: { DATABASE_URL: url('postgres'), ROLE_SECRET: 'a secret of the tests, long enough for it' },
    url,
    connect,
    async rows<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = [], database = 'postgres') {
      if (database === 'postgres') {
        const client = open.get(database) ?? connect();
        open.set(database, client);
        return (await (await client).query<Row>(sql, values)).rows;
      }
      // An open connection would keep others from copying or dropping the database.
      const client = await connect(database);
      try {
        return (await client.query<Row>(sql, values)).rows;
      } finally {
        await client.end();
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.end()));
      await server.stop();
      await removeDataDir(dataDir);
    },
  };
}
