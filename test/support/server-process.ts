import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { childEnv } from './child-env.ts';

/** One of the project's programs, which runs as a process of its own, the way a user starts it. */
export interface OwnProcess extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Everything that it has printed so far. */
  output(): string;
  /** Sends a signal, and gives the exit code when it has ended; null if the signal ended it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** A server that runs as a process of its own. */
export interface ServerProcess extends OwnProcess {
  /** The address of the API. */
  readonly url: string;
}

/**
 * Starts `node src/main.ts` on a free port, and waits until it says that it is up.
 * @throws {Error} with its output if it ends before
 */
export async function startServerProcess(cwd: string, env: Record<string, string>): Promise<ServerProcess> {
  const { ready, ...server } = await start(cwd, ['src/main.ts'], { PORT: '0', ...env }, /http:\/\/[\d.]+:\d+\/graphql/);
  return { ...server, url: ready };
}

/**
 * Starts `tenantry worker`, and waits until it works.
 * @throws {Error} with its output if it ends before
 */
export async function startWorkerProcess(cwd: string, env: Record<string, string>): Promise<OwnProcess> {
  return start(cwd, ['src/cli.ts', 'worker'], env, /Working on migration runs/);
}

async function start(
  cwd: string,
  args: readonly string[],
  env: Record<string, string>,
  sign: RegExp,
): Promise<OwnProcess & { readonly ready: string }> {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...childEnv, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ready = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const found = sign.exec(output)?.[0];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(`The process did not start:\n${output}`)));
  });
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  };
  return {
    process: child,
    ready,
    output: () => output,
    end,
    async [Symbol.asyncDispose]() {
      await end('SIGTERM');
    },
  };
}
