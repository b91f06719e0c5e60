import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { BenchInstallation } from './installation.ts';
import type { WorkerMessage } from './worker-process.ts';

/** A process that carries out runs. */
export interface Worker extends AsyncDisposable {
  /** Collects garbage and tells what is resident then, in bytes. */
  memory(): Promise<number>;
  /** Ends it with SIGKILL, so that it cannot give back its work. */
  kill(): Promise<void>;
}

/** Starts a worker as a process of its own, and waits until it works. */
export async function startWorker(place: BenchInstallation, env: Readonly<Record<string, string>>): Promise<Worker> {
  const child = fork(path.join(import.meta.dirname, 'worker-process.ts'), {
    // Not in the checkout, where an .env of the developer may lie.
    cwd: place.folder,
    // In production it would say that it works to the log, which tells only warnings here.
    env: { ...place.env, ...env, NODE_ENV: 'test' },
    execArgv: ['--expose-gc'],
    // Its log is none of the results, which are all that stdout has.
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const exited = once(child, 'exit');
  const next = async () => {
    const ended = exited.then(() => Promise.reject(new Error(`The worker ended with ${child.exitCode}`)));
    const [message] = await Promise.race([once(child, 'message'), ended]);
    // It sends nothing else.
    return message as WorkerMessage;
  };
  await next();
  return {
    async memory() {
      const told = next();
      child.send('memory');
      const message = await told;
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
