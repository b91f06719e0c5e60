import { type SpawnOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { vi } from 'vitest';
import { errorCode } from '../../src/postgres/embedded/processes.ts';
import { childEnv } from './child-env.ts';
import { clientOf, type HttpClient } from './http-client.ts';
import { programs } from './product.ts';
import type { TestPostgres } from './start-postgres.ts';

/** One of the project's programs, which runs as a process of its own, the way a user starts it. Disposing of it sends SIGTERM. */
export interface OwnProcess extends AsyncDisposable {
  readonly pid: number;
  /** All that it has written so far, to stdout and stderr. */
  output(): string;
  isAlive(): boolean;
  signal(name: NodeJS.Signals): void;
  /** How it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Sends a signal if it runs, and gives the exit code when it has ended; null if a signal ended it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** A server that runs as a process of its own. */
export interface ServerProcess extends OwnProcess {
  /** Headers with the token that it shows in development. */
  admin(): Record<string, string>;
  /**
   * Waits until it listens.
   * @throws {Error} with its output if it ends before
   */
  listening(): Promise<HttpClient>;
}

/** Where a program is started, and which. */
export interface ProcessFolders {
  /** The copy of the project that it belongs to; by default the project itself. */
  readonly checkout?: string;
  /** What comes before the command, such as one that starts it on another machine. */
  readonly before?: readonly string[];
  /** The folder that it is started in, where its `.env` may be; by default that of the project. */
  readonly cwd?: string;
}

/**
 * Settings of an installation of its own on a PostgreSQL that others use too.
 * @param folder where its folder is made
 */
export function ownInstallation(postgres: TestPostgres, folder: string) {
  const id = randomUUID().slice(0, 8);
  return {
    DATABASE_URL: postgres.env.DATABASE_URL,
    DATA_DIR: path.join(folder, id),
    AUTH_DATABASE: `auth_${id}`,
    CONSTANTS_DATABASE: `constants_${id}`,
    SHARED_DATABASE: `shared_${id}`,
  };
}

/** Starts the server, on a free port if no other is set. */
export function startServer(env: Record<string, string>, folders: ProcessFolders = {}): ServerProcess {
  const { checkout = process.cwd(), cwd = checkout, before = [] } = folders;
  const command = [...before, process.execPath, path.join(checkout, programs.main)];
  return serverOf(start(command, { PORT: '0', ...env }, { cwd }));
}

/** A server that npm has started. */
export interface NpmServer extends ServerProcess {
  /** Sends a signal to npm and to the server, as a terminal does. */
  signalAll(name: NodeJS.Signals): void;
}

/** Starts it with `npm start`. Disposing of it kills both. */
export function startWithNpm(env: Record<string, string>): NpmServer {
  const server = serverOf(start(['npm', 'start'], { PORT: '0', ...env }, { detached: true }));
  const signalAll = (name: NodeJS.Signals) => {
    try {
      process.kill(-server.pid, name);
    } catch (error) {
      // There is nobody left.
      if (errorCode(error) !== 'ESRCH') throw error;
    }
  };
  return {
    ...server,
    signalAll,
    async [Symbol.asyncDispose]() {
      signalAll('SIGKILL');
      await server.ended;
    },
  };
}

function serverOf(server: OwnProcess): ServerProcess {
  return {
    ...server,
    admin: () => ({ authorization: `Bearer ${/^ey[\w-]+\.[\w-]+\.[\w-]+$/m.exec(server.output())?.[0]}` }),
    listening: async () => clientOf(Number(await printed(server, /http:\/\/[^ ]+:(\d+)\/graphql/))),
  };
}

/**
 * Starts `tenantry worker`, and waits until it works.
 * @throws {Error} with its output if it ends before
 */
export async function startWorker(
  env: Record<string, string>,
  { before }: Pick<ProcessFolders, 'before'> = {},
): Promise<OwnProcess> {
  const worker = startCommand(['worker'], env, before);
  await printed(worker, /Working on migration runs/);
  return worker;
}

/** Starts a command line, with these variables and no others of ours. */
export function startCommand(
  argv: readonly string[],
  env: Record<string, string>,
  before: readonly string[] = [],
): OwnProcess {
  return start([...before, process.execPath, path.resolve(programs.cli), ...argv], env, {});
}

/** Starts a program with these variables, and no others of ours but those of {@link childEnv}. */
function start([file = '', ...args]: string[], env: Record<string, string>, options: SpawnOptions): OwnProcess {
  const child = spawn(file, args, {
    ...options,
    env: { ...childEnv, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<Awaited<OwnProcess['ended']>>((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => resolve({ code, signal }));
  });
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return (await ended).code;
  };
  return {
    pid: Number(child.pid),
    output: () => output,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    signal: (name) => child.kill(name),
    ended,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGTERM');
    },
  };
}

/** Waits until a process has written what fits, and gives the last group of it. */
async function printed(process: OwnProcess, sign: RegExp): Promise<string> {
  const failed = process.ended.then(() => {
    throw new Error(`The process ended:\n${process.output()}`);
  });
  const found = vi.waitUntil(() => sign.exec(process.output())?.at(-1), { timeout: 45_000 });
  return Promise.race([found, failed]);
}
