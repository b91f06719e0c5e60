import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Logger } from 'pino';
import { repeatUntil } from '../lib/retry-loop.ts';
import { onSignals } from '../lib/signals.ts';
import type { ToChild } from './child-process.ts';
import { answerGathering } from './gather.ts';

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
  const numbers = new Map<Worker, number>();
  const endGathering = answerGathering((worker) => numbers.get(worker));
  // The others start when the first is ready, so that a start that fails does so once.
  const first = cluster.fork();
  const ready = await Promise.race([readyOf(first).then(() => true), once(first, 'exit').then(() => false)]);
  if (!ready && !stop.signal.aborted) throw new Error(`The first of ${count} processes ended before it was ready.`);
  const keep = (number: number, running?: Worker) => keepRunning({ log, stop: stop.signal, numbers, number }, running);
  await Promise.all([keep(1, first), ...Array.from({ length: count - 1 }, (_, index) => keep(index + 2))]);
  await Promise.all(workers().map(ended));
  endGathering();
}

interface Place {
  readonly log: Logger;
  readonly stop: AbortSignal;
  /** The number of the process, which the one that replaces it gets too. */
  readonly number: number;
  /** Receives the number of each process that is ready. */
  readonly numbers: Map<Worker, number>;
}

/** Keeps one process running until the signal is aborted and the process has ended. */
async function keepRunning({ log, stop, number, numbers }: Place, running: Worker | undefined): Promise<void> {
  let next = running;
  const live = async () => {
    const worker = next ?? cluster.fork();
    // The first one is ready already.
    if (next) numbers.set(worker, number);
    else void readyOf(worker).then(() => numbers.set(worker, number));
    next = undefined;
    const start = performance.now();
    await ended(worker);
    numbers.delete(worker);
    if (stop.aborted) return;
    const { pid, exitCode, signalCode } = worker.process;
    log.error({ pid, code: exitCode, signal: signalCode }, 'a process of this server has ended and is replaced');
    if (performance.now() - start < STABLE_MS) throw new Error('The process ended soon after its start');
  };
  await repeatUntil(stop, live, RESTART_MS, () => undefined);
}

/** Waits until a process says that it is ready. Before that, it may ask for the metrics of all. */
function readyOf(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    const receive = (message: unknown) => {
      if (message !== 'ready') return;
      worker.off('message', receive);
      resolve();
    };
    worker.on('message', receive);
  });
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
