import { createHash, randomBytes } from 'node:crypto';
import {
  chown,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { type Binaries, canEnter, makeShared } from './binaries.ts';
import { type Account, errorCode, findPostmaster, realPathOf, run, terminate } from './processes.ts';

type Log = (line: string) => void;

/** The superuser of the cluster. */
export const SUPERUSER = 'tenantry';

const stateSchema = z.object({
  port: z.int().min(1).max(65_535),
  password: z.string().min(1),
  starter: z.object({ pid: z.int(), started: z.string(), token: z.string() }).nullable(),
});

/** The content of `embedded.json`. `starter` is the process that will stop the server; null after it was stopped. */
export type EmbeddedState = z.infer<typeof stateSchema>;

/** Reads `embedded.json`. Undefined if it is missing or damaged. Throws if this user may not read it. */
export async function readState(dataDir: string): Promise<EmbeddedState | undefined> {
  const path = join(dataDir, 'embedded.json');
  try {
    return stateSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof z.ZodError || error instanceof SyntaxError) return undefined;
    throw new Error(`Cannot read ${path}: start the server as the user who started it first.`, { cause: error });
  }
}

/** Writes `embedded.json` atomically, with mode 0600. */
export async function writeState(dataDir: string, state: EmbeddedState, account: Account): Promise<void> {
  const path = join(dataDir, 'embedded.json');
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(state, null, 2)}\n`);
    // An ordinary user who created the cluster can still use it after a start by root.
    if (account) await file.chown(account.uid, account.gid);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

/**
 * Returns the path of the cluster of `dataDir`, without symbolic links. Undefined if there is none yet.
 * Throws if the path is not a cluster, points to a missing folder or belongs to another user.
 */
export async function existingCluster(dataDir: string): Promise<string | undefined> {
  const path = join(dataDir, 'postgres');
  const cluster = await realPathOf(path);
  if (!cluster) {
    const link = await lstat(path).catch(() => undefined);
    if (link)
      throw new Error(
        `${path} points to a folder that is gone, together with the data. Restore it, or remove ${path} and ${join(dataDir, 'embedded.json')} to start with an empty server.`,
      );
    return undefined;
  }
  const info = await stat(cluster);
  const uid = process.getuid?.();
  if (info.isDirectory() && uid !== 0 && info.uid !== uid)
    throw new Error(
      `The cluster ${cluster} belongs to user ${info.uid}, but you are user ${uid}. It was probably created as root. Start as root again, or change its owner: sudo chown -R ${uid} ${cluster} ${dataDir}`,
    );
  if (!info.isDirectory() || !(await stat(join(cluster, 'PG_VERSION')).catch(() => undefined))) {
    const empty = info.isDirectory() && (await readdir(cluster)).length === 0;
    if (
      empty &&
      cluster === path &&
      (await rmdir(path).then(
        () => true,
        () => false,
      ))
    )
      return undefined;
    throw new Error(`${path} is not a PostgreSQL cluster (no PG_VERSION in it). Move it away and start again.`);
  }
  return cluster;
}

/** The arguments of {@link placeCluster}. */
export interface Placement {
  readonly dataDir: string;
  readonly existing: string | undefined;
  readonly account: Account;
  readonly sharedDir: string;
  readonly log: Log;
  /** Creates a cluster at the given path. */
  readonly create: (cluster: string) => Promise<void>;
}

/**
 * Returns the path of the cluster of `dataDir`, creating the cluster if there is none. It is in `dataDir/postgres`. If the
 * account may not enter `dataDir`, it is below `sharedDir`, and `dataDir/postgres` is a symbolic link to it. An existing
 * cluster that the account can no longer reach is moved there.
 */
export async function placeCluster(placement: Placement): Promise<string> {
  const { dataDir, existing, account, sharedDir, log, create } = placement;
  const link = join(dataDir, 'postgres');
  if (await canEnter(existing ? dirname(existing) : dataDir, account)) {
    const cluster = existing ?? join((await realPathOf(dataDir)) ?? dataDir, 'postgres');
    if (!existing) await create(cluster);
    if ((await lstat(link)).isSymbolicLink()) log(`PostgreSQL's data is in ${cluster}`);
    return cluster;
  }
  const cluster = outsidePath(await makeShared(sharedDir, 'clusters', account), dataDir);
  await moveAway(cluster, log);
  if (existing) await move(existing, cluster);
  else await create(cluster);
  await symlink(cluster, link);
  log(`PostgreSQL's data is in ${cluster}, because its user may not enter ${dataDir}`);
  return cluster;
}

function outsidePath(clusters: string, dataDir: string): string {
  return join(clusters, createHash('sha256').update(dataDir).digest('hex').slice(0, 16));
}

/** Restores the symbolic link to a cluster below `sharedDir`, if a start was killed before it could create the link. */
export async function restoreLink(dataDir: string, sharedDir: string): Promise<void> {
  const link = join(dataDir, 'postgres');
  const cluster = outsidePath(join(sharedDir, 'clusters'), dataDir);
  const present = await lstat(link).catch(() => undefined);
  if (!present && (await stat(cluster).catch(() => undefined))) await symlink(cluster, link);
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error;
    const draft = `${to}.init-copy`;
    await rm(draft, { recursive: true, force: true });
    const copied = await run('cp', ['-a', from, draft]);
    if (!copied.ok) throw new Error(`Cannot copy the cluster ${from} to ${draft}: ${copied.output}`, { cause: error });
    await rename(draft, to);
    await rename(from, `${from}.moved`);
    await rm(`${from}.moved`, { recursive: true, force: true });
  }
}

// No link points to an existing cluster here, so its dataDir was deleted. Its server may still be running.
async function moveAway(cluster: string, onLog: Log): Promise<void> {
  if (!(await stat(cluster).catch(() => undefined))) return;
  const server = await findPostmaster(cluster);
  if (server) await terminate(server, onLog);
  const previous = `${cluster}.old-${new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)}`;
  await rename(cluster, previous);
  onLog(`the data of an earlier, deleted data folder was moved to ${previous}`);
}

/** Creates a cluster atomically. Throws with the output of initdb if that fails. */
export async function initialiseCluster(
  cluster: string,
  binaries: Binaries,
  account: Account,
  password: string,
): Promise<void> {
  const prefix = `${basename(cluster)}.init-`;
  for (const name of await readdir(dirname(cluster)))
    if (name.startsWith(prefix))
      // Retries, because the initdb of a killed start may still be writing there.
      await rm(join(dirname(cluster), name), { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  const work = join(dirname(cluster), prefix + randomBytes(4).toString('hex'));
  await mkdir(work, { mode: 0o700 });
  try {
    const passwordFile = join(work, 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account) for (const path of [work, passwordFile]) await chown(path, account.uid, account.gid);
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const auth = ['--auth-host=scram-sha-256', '--auth-local=scram-sha-256', `--pwfile=${passwordFile}`];
    const data = join(work, 'data');
    const result = await run(binaries.initdb, ['-D', data, '-U', SUPERUSER, ...locale, ...auth], account);
    if (!result.ok)
      throw new Error(
        `initdb could not create a cluster in ${cluster}. Is the disk full? Its output:\n${result.output}`,
      );
    await rename(data, cluster);
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Resets the superuser's password while no server is running. Throws with PostgreSQL's output if that fails. */
export async function resetPassword(
  cluster: string,
  binaries: Binaries,
  account: Account,
  password: string,
): Promise<void> {
  const sql = `ALTER ROLE "${SUPERUSER}" PASSWORD '${password}'\n`;
  const result = await run(binaries.postgres, ['--single', '-D', cluster, 'postgres'], account, sql);
  if (!result.ok || result.output.includes('ERROR:'))
    throw new Error(`Cannot reset the password of the superuser of ${cluster}. PostgreSQL's output:\n${result.output}`);
}
