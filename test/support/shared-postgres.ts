import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../src/postgres/embedded.ts';

/** A PostgreSQL server that several installations share, as processes on several machines would. */
export interface SharedPostgres extends AsyncDisposable {
  readonly port: number;
  /** Settings of an app that uses it, through another port if one is given. */
  settings(port?: number): Record<string, string>;
}

/** Starts a server with a data folder of its own. */
export async function startSharedPostgres(): Promise<SharedPostgres> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-postgres-'));
  const server = await startEmbeddedPostgres({ dataDir });
  const { host, user, password } = server;
  return {
    port: server.port,
    settings: (port = server.port) => ({
      DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/postgres`,
      ROLE_SECRET: 'a secret that every process of the test knows',
      JWT_SECRET: 'another secret that every process of the test knows',
    }),
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
