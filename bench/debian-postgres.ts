import { execFile } from 'node:child_process';
import { access, chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder of the programs of Debian's package. */
const BIN = '/usr/lib/postgresql/15/bin';

/** A PostgreSQL server of the version that the machine's `pg_dump` has. */
export interface DebianPostgres extends AsyncDisposable {
  readonly url: string;
}

/** How a server differs from what Debian's package starts. */
export interface DebianOptions {
  /** Such as `jit=off`. */
  readonly settings: readonly string[];
  /** Arguments of initdb. */
  readonly locale: readonly string[];
}

/** Settings with which checkpoints do not slow down copying many rows. */
export const forBulk: DebianOptions = {
  settings: ['max_connections=200', 'shared_buffers=256MB', 'max_wal_size=4GB'],
  locale: [],
};

/** As other people have it: JIT and 100 connections, another locale and time zone. */
export const foreign: DebianOptions = {
  // The disk is not what is measured.
  settings: ['timezone=America/St_Johns', 'fsync=off', 'full_page_writes=off'],
  locale: ['--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=sv-SE'],
};

/** Starts a server of Debian's package with a cluster of its own. Returns undefined if the package is not installed. */
export async function debianPostgres({ settings, locale }: DebianOptions): Promise<DebianPostgres | undefined> {
  const programs = ['initdb', 'pg_ctl', 'pg_dump', 'pg_restore'];
  const missing = await Promise.all(programs.map((name) => access(path.join(BIN, name)).catch(() => name)));
  if (missing.some((name) => name !== undefined)) return undefined;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-bench-debian-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const user = await unprivileged();
  if (user) await chown(folder, user.uid, user.gid);
  await chmod(folder, 0o755);
  const data = path.join(folder, 'data');
  const program = (name: string, ...args: string[]) =>
    run(path.join(BIN, name), args, { ...user, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' } });
  await program('initdb', '-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', ...locale, '--no-sync');
  const port = await freePort();
  const flags = settings.map((setting) => `-c ${setting}`);
  const options = [`-p ${port} -h 127.0.0.1 -k ${folder}`, ...flags].join(' ');
  await program('pg_ctl', '-D', data, '-w', '-o', options, '-l', path.join(folder, 'log'), 'start');
  stack.defer(async () => void (await program('pg_ctl', '-D', data, '-m', 'immediate', 'stop')));
  const parts = stack.move();
  return {
    url: `postgres://postgres:unused@127.0.0.1:${port}/postgres`,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** PostgreSQL refuses to run as root, so it runs as the package's user then. */
async function unprivileged(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
  return { uid: await idOf('-u'), gid: await idOf('-g') };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
