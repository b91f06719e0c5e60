import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { existingCluster } from '../../src/postgres/embedded-cluster.ts';
import { findPostmaster, isRunning } from '../../src/postgres/embedded-processes.ts';
import { eventually } from './eventually.ts';

/** A PostgreSQL server that several installations share, as processes on several machines would. */
export interface SharedPostgres extends AsyncDisposable {
  readonly port: number;
  /** Settings of an app that uses it, through another port if one is given. */
  settings(port?: number): Record<string, string>;
  /** Ends it as a crash does: at once, without telling anyone. It is what `pg_ctl stop -m immediate` does. */
  crash(): Promise<void>;
  /** Starts it again after a crash, at the same port. */
  restart(): Promise<void>;
}

/** Starts a server with a data folder of its own. */
export async function startSharedPostgres(): Promise<SharedPostgres> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-postgres-'));
  let server = await startEmbeddedPostgres({ dataDir });
  const { host, user, password, port: ownPort } = server;
  return {
    port: ownPort,
    settings: (port = ownPort) => ({
      DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/postgres`,
      ROLE_SECRET: 'a secret that every process of the test knows',
      JWT_SECRET: 'another secret that every process of the test knows',
    }),
    async crash() {
      const cluster = await existingCluster(dataDir);
      const postmaster = cluster && (await findPostmaster(cluster));
      if (!postmaster) throw new Error('PostgreSQL does not run');
      process.kill(postmaster.pid, 'SIGQUIT');
      await eventually('PostgreSQL ends', async () => !(await isRunning(postmaster)));
    },
    async restart() {
      server = await startEmbeddedPostgres({ dataDir });
      if (server.port !== ownPort) throw new Error('Another program has taken the port of PostgreSQL meanwhile');
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
