import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A server that runs as a process of its own, the way a user starts it. */
export interface ServerProcess extends AsyncDisposable {
  readonly process: ChildProcess;
  /** The address of the API. */
  readonly url: string;
  /** Everything that it has printed so far. */
  output(): string;
}

/**
 * Starts `node src/main.ts` on a free port, and waits until it says that it is up.
 * @throws {Error} with its output if it ends before
 */
export async function startServerProcess(cwd: string, env: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd,
    env: { PATH: process.env.PATH, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const address = /http:\/\/[\d.]+:\d+\/graphql/.exec(output)?.[0];
      if (address) resolve(address);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(`The server did not start:\n${output}`)));
  });
  return {
    process: child,
    url,
    output: () => output,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
