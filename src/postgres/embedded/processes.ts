import { execFile, spawn } from 'node:child_process';
import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Identifies a process, so that a later process with the same PID is not mistaken for it. */
export interface ProcessRef {
  readonly pid: number;
  /** opaque; equal for the same process only */
  readonly started: string;
}

/** The user and group ids that a command runs as. Undefined for those of this process. */
export type Account = { readonly uid: number; readonly gid: number } | undefined;

/** A PostgreSQL main process, as described by the `postmaster.pid` of its cluster. */
export interface Postmaster extends ProcessRef {
  /** TCP port; 0 while the server has not written it yet */
  readonly port: number;
  /** `starting`, `ready`, `stopping` or `standby`; empty while not written yet */
  readonly status: string;
}

/** Result of {@link run}. */
export interface RunResult {
  readonly ok: boolean;
  /** standard output and standard error together, trimmed */
  readonly output: string;
}

/** The environment of PostgreSQL's programs: English messages, and none of our secrets. */
export const POSTGRES_ENV = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  LC_ALL: 'C',
  // Otherwise glibc returns memory to the system after almost each statement, and asks for it again with the next one.
  MALLOC_TOP_PAD_: '1048576',
  MALLOC_TRIM_THRESHOLD_: '67108864',
};

/** The `code` of a system error, such as `ENOENT`; undefined for anything else. */
export function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Runs a program in `/` and waits for it. Never throws: if the program cannot run, `ok` is false and `output` says why. */
export function run(file: string, args: readonly string[], account?: Account, input = ''): Promise<RunResult> {
  return new Promise((done) => {
    // cwd: the account may not be allowed to enter the current folder.
    // signal, not timeout: if a program cannot be executed, the timer of `timeout` would keep this process alive.
    const signal = AbortSignal.timeout(300_000);
    const child = spawn(file, args, { cwd: '/', env: POSTGRES_ENV, signal, ...account });
    let output = '';
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    // If a program exits without reading its input, its exit code counts, not EPIPE.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', (error) => done({ ok: false, output: error.message }));
    child.on('close', (code) => done({ ok: code === 0, output: output.trim() }));
  });
}

function ps(pid: number, column: string): Promise<string> {
  return new Promise((done) => {
    execFile('ps', ['-o', `${column}=`, '-p', String(pid)], { env: POSTGRES_ENV }, (_error, out) => done(out.trim()));
  });
}

/** Returns the start time of a process as an opaque text. Undefined if it is not running; a zombie is not running. */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return (await ps(pid, 'lstart')) || undefined;
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // The second field, the program's name, may contain spaces and parentheses, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${fields[19]}@${boot.trim()}`;
  } catch {
    return undefined;
  }
}

/** Whether this very process is still running. */
export async function isRunning(ref: ProcessRef): Promise<boolean> {
  return (await processStart(ref.pid)) === ref.started;
}

/** Returns this process. Throws if its start time is unknown, as on Linux without /proc. */
export async function ownProcess(): Promise<ProcessRef> {
  const started = await processStart(process.pid);
  if (!started) throw new Error('Cannot read when this process started: is /proc mounted, or ps installed?');
  return { pid: process.pid, started };
}

async function worksIn(pid: number, cluster: string): Promise<boolean> {
  try {
    if (process.platform !== 'linux') return (await ps(pid, 'command')).includes(cluster);
    // A server's processes work in its data folder, even after it was renamed. Other programs may do so too.
    const [folder, program] = await Promise.all([readlink(`/proc/${pid}/cwd`), readlink(`/proc/${pid}/exe`)]);
    return folder === cluster && basename(program).startsWith('postgres');
  } catch {
    return false;
  }
}

/** Reads a cluster's `postmaster.pid`. By now the PID may belong to another process. */
async function readPidFile(cluster: string): Promise<{ pid: number; lines: string[] } | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10));
  return pid > 0 ? { pid, lines } : undefined;
}

/** Finds the running server of a cluster (an absolute path without symbolic links). Undefined if none is running. */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const file = await readPidFile(cluster);
  if (!file || !(await worksIn(file.pid, cluster))) return undefined;
  const started = await processStart(file.pid);
  if (!started) return undefined;
  return { pid: file.pid, started, port: Number(file.lines[3]) || 0, status: file.lines[7] ?? '' };
}

/** Waits until the processes of a killed server are gone, then removes a stale `postmaster.pid` that would block a start. */
export async function clearRemains(cluster: string, onLog: (line: string) => void): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const left = await processesIn(cluster);
    if (left.length === 0) break;
    if (Date.now() > deadline)
      throw new Error(
        `A server that was killed left processes running on ${cluster}: ${left.join(', ')}. End them (kill ${left.join(' ')}) and start again.`,
      );
    await sleep(50);
  }
  const file = await readPidFile(cluster);
  if (!file) return;
  try {
    process.kill(file.pid, 0);
  } catch (error) {
    // No process has that PID. PostgreSQL detects that itself, and checks its shared memory too.
    if (errorCode(error) === 'ESRCH') return;
  }
  onLog(`removing a stale postmaster.pid: process ${file.pid} is not this cluster's server`);
  await rm(join(cluster, 'postmaster.pid'), { force: true });
}

async function processesIn(cluster: string): Promise<number[]> {
  // On other systems, PostgreSQL's own check of the shared memory has to suffice.
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const hits = await Promise.all(pids.map((pid) => worksIn(pid, cluster)));
  return pids.filter((_, index) => hits[index]);
}

/** Stops a server by a fast shutdown, and after 30 s by an immediate one. Throws if it is still running after that. */
export async function terminate(server: ProcessRef, onLog: (line: string) => void): Promise<void> {
  for (const [signal, seconds] of [['SIGINT', 30] as const, ['SIGQUIT', 10] as const]) {
    if (!(await isRunning(server))) return;
    if (signal === 'SIGQUIT') onLog('PostgreSQL has not stopped in 30 s; stopping it immediately');
    try {
      process.kill(server.pid, signal);
    } catch (error) {
      if (errorCode(error) === 'ESRCH') return;
      throw new Error(`Cannot stop PostgreSQL (process ${server.pid}): stop it as the user who runs it.`, {
        cause: error,
      });
    }
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
      if (!(await isRunning(server))) return;
      await sleep(25);
    }
  }
  throw new Error(`PostgreSQL (process ${server.pid}) does not stop. End it with: kill -QUIT ${server.pid}`);
}

/** Resolves symbolic links. Undefined if the path does not exist. */
export async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
