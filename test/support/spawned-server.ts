import { type SpawnOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { vi } from 'vitest';
import { errorCode } from '../../src/postgres/embedded-processes.ts';
import { childEnv } from './child-env.ts';
import { clientOf } from './listen.ts';
import type { TestPostgres } from './start-postgres.ts';

/** A server as a user starts it. Disposing of it kills it, if it runs. */
export interface SpawnedServer extends AsyncDisposable {
  readonly pid: number;
  /** All that it has written so far, to stdout and stderr. */
  output(): string;
  /** Headers with the token that it shows in development. */
  admin(): Record<string, string>;
  signal(name: NodeJS.Signals): void;
  /** How it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Waits until it listens; fails with its output if it ends before. */
  listening(): Promise<ReturnType<typeof clientOf>>;
}

/**
 * Settings of an installation of its own on a PostgreSQL that others use too, at a free port.
 * @param folder where its folder is made
 */
export function ownInstallation(postgres: TestPostgres, folder: string) {
  const id = randomUUID().slice(0, 8);
  return {
    PORT: '0',
    DATABASE_URL: postgres.env.DATABASE_URL,
    DATA_DIR: path.join(folder, id),
    AUTH_DATABASE: `auth_${id}`,
    CONSTANTS_DATABASE: `constants_${id}`,
    SHARED_DATABASE: `shared_${id}`,
  };
}

/**
 * Starts `src/main.ts` with these variables and no others of ours but those that put the fixture in the modules' place.
 * @param cwd the folder that it is started in, where its `.env` may be
 */
export function startServer(env: Record<string, string>, cwd = process.cwd()): SpawnedServer {
  return start([process.execPath, path.resolve('src/main.ts')], env, { cwd });
}

/** A server that npm has started. */
export interface NpmServer extends SpawnedServer {
  /** Sends a signal to npm and to the server, as a terminal does. */
  signalAll(name: NodeJS.Signals): void;
}

/** Starts it with `npm start`. Disposing of it kills both. */
export function startWithNpm(env: Record<string, string>): NpmServer {
  const server = start(['npm', 'start'], env, { detached: true });
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

function start(
  [file, ...args]: [string, ...string[]],
  env: Record<string, string>,
  options: SpawnOptions,
): SpawnedServer {
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
  const ended = new Promise<Awaited<SpawnedServer['ended']>>((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => resolve({ code, signal }));
  });
  return {
    output: () => output,
    admin: () => ({ authorization: `Bearer ${/^ey[\w-]+\.[\w-]+\.[\w-]+$/m.exec(output)?.[0]}` }),
    pid: Number(child.pid),
    signal: (name) => child.kill(name),
    ended,
    async listening() {
      const failed = ended.then(() => {
        throw new Error(`the server ended: ${output}`);
      });
      const port = vi.waitUntil(() => /http:\/\/[^ ]+:(\d+)\/graphql/.exec(output)?.[1], { timeout: 45_000 });
      return clientOf(Number(await Promise.race([port, failed])));
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
