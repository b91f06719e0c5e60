import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Logger } from 'pino';
import { repeatUntil } from '../lib/retry-loop.ts';
import { onSignals } from '../lib/signals.ts';
import type { ToChild } from './child-process.ts';

/** A process that ends sooner than this has failed to start, and is replaced more and more slowly. In milliseconds. */
const STABLE_MS = 10_000;
const RESTART_MS = 100;

/** What running several processes needs. */
export interface ProcessesOptions {
  readonly count: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Prepares what all processes use, before the first one starts. It is disposed of when all have ended. */
  prepare(stop: AbortSignal): Promise<AsyncDisposable>;
}

/**
 * Runs this program in several processes, which share its port, until SIGTERM or SIGINT; then waits until they have
 * ended. A process that ends before that is replaced.
 * @throws {Error} if the first process ends before it is ready
 */
export async function runProcesses({ count, env, log, prepare }: ProcessesOptions): Promise<void> {
  const stop = new AbortController();
  using _signals = onSignals(['SIGINT', 'SIGTERM'], env, ({ isRepeated }) => {
    stop.abort();
    tellAll(isRepeated ? 'end' : 'stop');
  });
  await using _prepared = await prepare(stop.signal);
  if (stop.signal.aborted) return;
  // The others start when the first is ready, so that a start that fails does so once.
  const first = cluster.fork();
  const ready = await Promise.race([once(first, 'message').then(() => true), once(first, 'exit').then(() => false)]);
  if (!ready && !stop.signal.aborted) throw new Error(`The first of ${count} processes ended before it was ready.`);
  const keep = (running?: Worker) => keepRunning(log, stop.signal, running);
  await Promise.all([keep(first), ...Array.from({ length: count - 1 }, () => keep())]);
  await Promise.all(workers().map(ended));
}

/** Keeps one process running until the signal is aborted and the process has ended. */
async function keepRunning(log: Logger, stop: AbortSignal, running: Worker | undefined): Promise<void> {
  let next = running;
  const live = async () => {
    const worker = next ?? cluster.fork();
    next = undefined;
    const start = performance.now();
    await ended(worker);
    if (stop.aborted) return;
    const { pid, exitCode, signalCode } = worker.process;
    log.error({ pid, code: exitCode, signal: signalCode }, 'a process of this server has ended and is replaced');
    if (performance.now() - start < STABLE_MS) throw new Error('The process ended soon after its start');
  };
  await repeatUntil(stop, live, RESTART_MS, () => undefined);
}

function workers(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}

async function ended(worker: Worker): Promise<void> {
  if (!worker.isDead()) await once(worker, 'exit');
}

function tellAll(message: ToChild): void {
  for (const worker of workers()) if (worker.isConnected()) worker.send(message);
}
