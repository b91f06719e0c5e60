import { spawn } from 'node:child_process';
import path from 'node:path';
import { vi } from 'vitest';
import { clientOf } from './listen.ts';

/** A server as a user starts it. Disposing of it kills it, if it runs. */
export interface SpawnedServer extends AsyncDisposable {
  /** All that it has written so far, to stdout and stderr. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** How it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Waits until it listens; fails with its output if it ends before. */
  listening(): Promise<ReturnType<typeof clientOf>>;
}

/**
 * Starts `src/main.ts` with these variables and no others of ours.
 * @param cwd the folder that it is started in, where its `.env` may be
 */
export function startServer(env: Record<string, string>, cwd = process.cwd()): SpawnedServer {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  const child = spawn(process.execPath, [path.resolve('src/main.ts')], {
    cwd,
    env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...env },
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
