import { execFile, spawn } from 'node:child_process';
import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process, named so that a later process with the same number is not taken for it. */
export interface ProcessRef {
  readonly pid: number;
  /** opaque; equal for the same process only */
  readonly started: string;
}

/** The user and group (numbers) a command runs as; undefined: those of this process. */
export type Account = { readonly uid: number; readonly gid: number } | undefined;

/** What is known of a PostgreSQL main process from the `postmaster.pid` of its cluster. */
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

/** Environment of PostgreSQL's programs: English messages, and none of our own secrets. */
export const POSTGRES_ENV = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' };

/** The `code` of a system error, such as `ENOENT`; undefined for anything else. */
export function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Runs a program to its end in `/`. Never throws: a program that cannot be run gives `ok: false` with the reason. */
export function run(file: string, args: readonly string[], account?: Account, input = ''): Promise<RunResult> {
  return new Promise((done) => {
    // cwd: the folder we are in may be one that the account cannot enter.
    // signal, not timeout: when a program cannot be executed, the timer of timeout would keep us running for its length.
    const signal = AbortSignal.timeout(300_000);
    const child = spawn(file, args, { cwd: '/', env: POSTGRES_ENV, signal, ...account });
    let output = '';
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    // A program that ends without reading its input is judged by its exit code, not by EPIPE.
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

/** When a process started, as an opaque text; undefined when it does not run (a zombie does not run). */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return (await ps(pid, 'lstart')) || undefined;
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // The second field, the program's name, may itself hold blanks and brackets: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${fields[19]}@${boot.trim()}`;
  } catch {
    return undefined;
  }
}

/** Whether exactly this process still runs. */
export async function isRunning(ref: ProcessRef): Promise<boolean> {
  return (await processStart(ref.pid)) === ref.started;
}

/** This process. Throws when the system does not tell (Linux without /proc). */
export async function ownProcess(): Promise<ProcessRef> {
  const started = await processStart(process.pid);
  if (!started) throw new Error('Cannot read when this process started: is /proc mounted, or ps installed?');
  return { pid: process.pid, started };
}

async function worksIn(pid: number, cluster: string): Promise<boolean> {
  try {
    if (process.platform !== 'linux') return (await ps(pid, 'command')).includes(cluster);
    // A server's processes stay in its data folder, also when that folder has been renamed; so may an editor there.
    const [folder, program] = await Promise.all([readlink(`/proc/${pid}/cwd`), readlink(`/proc/${pid}/exe`)]);
    return folder === cluster && basename(program).startsWith('postgres');
  } catch {
    return false;
  }
}

/** The process number in a cluster's `postmaster.pid`, whoever that process may be by now, and the file's lines. */
async function readPidFile(cluster: string): Promise<{ pid: number; lines: string[] } | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10));
  return pid > 0 ? { pid, lines } : undefined;
}

/** The running server of a cluster (an absolute path without symbolic links); undefined when none runs. */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const file = await readPidFile(cluster);
  if (!file || !(await worksIn(file.pid, cluster))) return undefined;
  const started = await processStart(file.pid);
  if (!started) return undefined;
  return { pid: file.pid, started, port: Number(file.lines[3]) || 0, status: file.lines[7] ?? '' };
}

/** Waits until what a killed server left behind is gone, then removes a `postmaster.pid` that PostgreSQL would trust. */
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
    // Nobody has that number: PostgreSQL finds that out itself, and checks its shared memory too.
    if (errorCode(error) === 'ESRCH') return;
  }
  onLog(`removing a stale postmaster.pid: process ${file.pid} is not this cluster's server`);
  await rm(join(cluster, 'postmaster.pid'), { force: true });
}

async function processesIn(cluster: string): Promise<number[]> {
  // Elsewhere PostgreSQL's own check of the shared memory has to do.
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const hits = await Promise.all(pids.map((pid) => worksIn(pid, cluster)));
  return pids.filter((_, index) => hits[index]);
}

/** Stops a server: fast shutdown, and when that takes over 30 s an immediate one. Throws when it still runs then. */
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

/** `path` without symbolic links; undefined when there is nothing. */
export async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
