import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { BenchInstallation } from './installation.ts';
import type { WorkerMessage } from './worker-process.ts';

/** A worker process. */
export interface Worker extends AsyncDisposable {
  /** Collects garbage and returns the resident memory in bytes. */
  memory(): Promise<number>;
  /** Ends it with SIGKILL, so that it cannot release its work. */
  kill(): Promise<void>;
}

/** Starts a worker in its own process and waits until it is ready. */
export async function startWorker(place: BenchInstallation, env: Readonly<Record<string, string>>): Promise<Worker> {
  const child = fork(path.join(import.meta.dirname, 'worker-process.ts'), {
    // Not in the checkout, because it may contain the developer's .env.
    cwd: place.folder,
    // In production the message that it is ready would go to the log, which is limited to warnings here.
    env: { ...place.env, ...env, NODE_ENV: 'test' },
    execArgv: ['--expose-gc'],
    // Its log must not mix with the results on stdout.
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const exited = once(child, 'exit');
  const next = async () => {
    const ended = exited.then(() => Promise.reject(new Error(`The worker ended with ${child.exitCode}`)));
    const [message] = await Promise.race([once(child, 'message'), ended]);
    // The process sends no other messages.
    return message as WorkerMessage;
  };
  await next();
  return {
    async memory() {
      const answer = next();
      child.send('memory');
      const message = await answer;
      return message === 'ready' ? Number.NaN : message.rss;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
