import cluster from 'node:cluster';
import type { Logger } from 'pino';

/** What the parent of several processes tells them: to stop, or to end at once. */
export type ToChild = 'stop' | 'end';

/** A process that a parent runs beside others. */
export interface ChildProcess {
  /** Whether it is the first one, which speaks for all. */
  readonly isFirst: boolean;
  /** Aborted when it is to stop. */
  readonly stop: AbortSignal;
  /** Tells the parent and the log that it is ready. */
  ready(): void;
}

/** Returns this process as a child; undefined if no parent runs it beside others. */
export function thisChildProcess(log: Logger): ChildProcess | undefined {
  const { worker } = cluster;
  if (!worker) return undefined;
  const stop = new AbortController();
  process.on('message', (message: ToChild | object) => {
    if (typeof message === 'object') return;
    stop.abort();
    if (message === 'end') process.kill(process.pid, 'SIGKILL');
  });
  // A service manager may send it to all processes, and the parent passes on its own.
  process.on('SIGTERM', () => stop.abort());
  // A terminal sends it to all processes. Only the parent acts on it.
  process.on('SIGINT', () => undefined);
  const ready = () => {
    log.info('one of the processes is ready');
    worker.send('ready');
    // Waiting for messages must not keep it alive. Until now it had to, because the parent opens the port.
    process.channel?.unref();
  };
  return { isFirst: worker.id === 1, stop: stop.signal, ready };
}
