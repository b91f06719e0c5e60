import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { quoteIdentifier } from '../../src/postgres/identifiers.ts';
import { createLoginRoleSql } from '../../src/postgres/roles.ts';
import { removeDataDir } from './remove-data-dir.ts';

/** A PostgreSQL server beside the one of the test's app. */
export interface SecondServer extends AsyncDisposable {
  readonly port: number;
  /** Makes a login role, and gives the URL to connect as it. */
  urlFor(role: string, password: string, attributes?: string): Promise<string>;
  /** Asks as superuser. */
  ask(sql: string, database?: string): Promise<pg.QueryResult>;
  stop(): Promise<void>;
  /** Starts it again, at the same port. */
  start(): Promise<void>;
}

/** Starts an embedded PostgreSQL in a folder of its own; disposing of it leaves nothing. */
export async function startSecondServer(): Promise<SecondServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-second-'));
  let postgres = await startEmbeddedPostgres({ dataDir });
  const { port } = postgres;
  const ask: SecondServer['ask'] = async (sql, database = 'postgres') => {
    const { host, user, password } = postgres;
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  return {
    port,
    ask,
    async urlFor(role, password, attributes = 'CREATEDB CREATEROLE') {
      await ask(`${createLoginRoleSql(role, password)} ALTER ROLE ${quoteIdentifier(role)} ${attributes}`);
      return `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
    },
    stop: () => postgres.stop(),
    async start() {
      postgres = await startEmbeddedPostgres({ dataDir });
      if (postgres.port !== port) throw new Error(`PostgreSQL is at port ${postgres.port} now, and was at ${port}`);
    },
    async [Symbol.asyncDispose]() {
      await postgres.stop();
      await removeDataDir(dataDir);
    },
  };
}

/** A password that is easy to find wherever it should not be, and needs escaping in a URL. */
export function tellTalePassword(): string {
  return `p@ss/${randomBytes(12).toString('hex')}`;
}
