import { spawn } from 'node:child_process';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Binaries } from './binaries.ts';
import { type EmbeddedState, writeState } from './cluster.ts';
import { type Account, findPostmaster, POSTGRES_ENV, type Postmaster, processStart, terminate } from './processes.ts';

/** The only address the server listens on. */
export const HOST = '127.0.0.1';

/** How long a server may take to accept connections, including crash recovery, in milliseconds. */
export const START_TIMEOUT_MS = 120_000;

const LOG_LIMIT_BYTES = 5_000_000;

/** The options that a launch needs. */
export interface LaunchJob {
  readonly dataDir: string;
  readonly settings: Record<string, string>;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Starts the server of a cluster and waits until it is ready. Uses another port if the requested one is taken.
 * Throws with the last lines of its log if it exits, is not ready in time or the signal is aborted.
 */
export async function launch(
  job: LaunchJob,
  cluster: string,
  binaries: Binaries,
  account: Account,
  wanted: EmbeddedState,
): Promise<Postmaster> {
  const deadline = Date.now() + 20_000;
  for (let port = wanted.port; ; port = await freePort()) {
    await writeState(job.dataDir, { ...wanted, port }, account);
    const result = await launchOnce(job, cluster, binaries, account, port);
    if (typeof result !== 'string') return result;
    job.signal?.throwIfAborted();
    // The port was taken after the check, or (on macOS) the last processes of a killed server are still ending.
    const isTransient = /could not create any TCP\/IP sockets|pre-existing shared memory block/.test(result);
    if (!isTransient || Date.now() > deadline)
      throw new Error(
        `The server exited or was not ready in time. Fix the problem in its log, or set DATABASE_URL to a server of your own. Last lines of ${join(job.dataDir, 'postgres.log')}:\n${result}`,
      );
    await sleep(200);
  }
}

// Starts postgres itself, not pg_ctl: pg_ctl leaves the server to PID 1, which in many containers does not reap processes.
// It also cannot write to a log that its user cannot reach, and does not report which log lines belong to a failed start.
async function launchOnce(
  job: LaunchJob,
  cluster: string,
  binaries: Binaries,
  account: Account,
  port: number,
): Promise<Postmaster | string> {
  const logPath = join(job.dataDir, 'postgres.log');
  const size = await stat(logPath).then(
    (info) => info.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(logPath, `${logPath}.1`);
  const offset = size > LOG_LIMIT_BYTES ? 0 : size;
  const settings = {
    max_connections: '300',
    // So that tenants can be moved while they are served. It costs a little more log for updates and deletes.
    wal_level: 'logical',
    ...job.settings,
    listen_addresses: HOST,
    port: String(port),
    unix_socket_directories: '',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // This process opens the log and passes it on, so the account needs no write access to dataDir.
  const log = await open(logPath, 'a', 0o600);
  let child: ReturnType<typeof spawn>;
  let ended: string | undefined;
  try {
    if (account) await log.chown(account.uid, account.gid);
    child = spawn(binaries.postgres, ['-D', cluster, ...flags], {
      cwd: '/',
      env: POSTGRES_ENV,
      // Its own session, so that Ctrl-C in our terminal does not stop it before our requests have finished.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      ...account,
    });
    // Attached before any await, because a server that rejects its settings exits within milliseconds.
    child.once('error', (error) => {
      ended = error.message;
    });
    child.once('exit', (code, signal) => {
      ended = code === null ? `killed by ${signal}` : `exit code ${code}`;
      if (code !== 0) job.log(`PostgreSQL (process ${child.pid}) has ended: ${ended}`);
    });
  } finally {
    await log.close();
  }
  child.unref();
  for (const timeout = Date.now() + START_TIMEOUT_MS; ended === undefined; await sleep(25)) {
    const server = await findPostmaster(cluster);
    if (server && server.pid === child.pid && server.status === 'ready') return server;
    if (Date.now() > timeout || job.signal?.aborted) {
      const started = child.pid && (await processStart(child.pid));
      if (started) await terminate({ pid: Number(child.pid), started }, job.log);
      break;
    }
  }
  const lines = (await readFile(logPath)).subarray(offset).toString().trimEnd().split('\n').slice(-20);
  return [...lines, ended ?? 'not ready after two minutes'].join('\n').trim();
}

/** Returns the port `preferred` if it is free, otherwise one that the system chooses. */
export async function freePort(preferred = 0): Promise<number> {
  const port = await new Promise<number | undefined>((done, fail) => {
    const probe = createServer();
    probe.once('error', (error) => (preferred ? done(undefined) : fail(error)));
    probe.listen(preferred, HOST, () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address ? address.port : undefined));
    });
  });
  return port ?? freePort();
}
