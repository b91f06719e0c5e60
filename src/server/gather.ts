import cluster, { type Worker } from 'node:cluster';
import type { ProcessReport } from '../monitoring/exposition.ts';
import type { ProcessMetrics } from '../monitoring/process-meters.ts';

/** How long the parent waits for the metrics of its processes, in milliseconds. What is late is left out. */
const REPORT_MS = 2_000;
/** How long a process waits for its parent, in milliseconds. */
const GATHER_MS = REPORT_MS + 1_000;

/** What processes and their parent send each other to gather the metrics of all in the process that was asked for them. */
type Message =
  /** From a process: it needs the metrics of all. */
  | { readonly kind: 'gather'; readonly id: number }
  /** From the parent: it needs those of this process. */
  | { readonly kind: 'report'; readonly id: number }
  | { readonly kind: 'reported'; readonly id: number; readonly metrics: ProcessMetrics }
  | { readonly kind: 'gathered'; readonly id: number; readonly reports: readonly ProcessReport[] };

/**
 * Lets processes gather the metrics of all, in the parent.
 * @param numberOf the number of a process that is ready, from 1; undefined for others, which are not asked
 * @returns a function that ends it
 */
export function answerGathering(numberOf: (worker: Worker) => number | undefined): () => void {
  const waiting = new Map<number, (worker: Worker, metrics: ProcessMetrics) => void>();
  let ids = 0;
  const gather = async (asker: Worker, askedId: number) => {
    const id = ids++;
    const asked = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    const missing = new Set(asked.filter((worker) => worker.isConnected() && numberOf(worker) !== undefined));
    const reports: ProcessReport[] = [];
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, REPORT_MS);
      waiting.set(id, (worker, metrics) => {
        const process = numberOf(worker);
        if (missing.delete(worker) && process !== undefined) reports.push({ process, metrics });
        if (missing.size > 0) return;
        clearTimeout(late);
        resolve();
      });
      for (const worker of missing) send(worker, { kind: 'report', id });
    });
    waiting.delete(id);
    reports.sort((a, b) => a.process - b.process);
    send(asker, { kind: 'gathered', id: askedId, reports });
  };
  const receive = (worker: Worker, message: unknown) => {
    if (!isMessage(message)) return;
    if (message.kind === 'gather') void gather(worker, message.id);
    if (message.kind === 'reported') waiting.get(message.id)?.(worker, message.metrics);
  };
  cluster.on('message', receive);
  return () => void cluster.off('message', receive);
}

/**
 * Reports this process's metrics to its parent, when it asks.
 * @returns a function that gathers the metrics of all processes. It throws an Error if the parent does not answer
 */
export function joinGathering(own: () => Promise<ProcessMetrics>): () => Promise<readonly ProcessReport[]> {
  const waiting = new Map<number, (reports: readonly ProcessReport[]) => void>();
  let ids = 0;
  process.on('message', (message: unknown) => {
    if (!isMessage(message)) return;
    if (message.kind === 'gathered') waiting.get(message.id)?.(message.reports);
    if (message.kind === 'report')
      void own().then((metrics) => tellParent({ kind: 'reported', id: message.id, metrics }));
  });
  return async () => {
    const id = ids++;
    const { promise, resolve, reject } = Promise.withResolvers<readonly ProcessReport[]>();
    waiting.set(id, resolve);
    const late = setTimeout(() => reject(new Error('The parent process does not answer')), GATHER_MS);
    tellParent({ kind: 'gather', id });
    return promise.finally(() => {
      clearTimeout(late);
      waiting.delete(id);
    });
  };
}

function send(worker: Worker, message: Message): void {
  // Its process may end at any moment, and the error is reported to this callback.
  if (worker.isConnected()) worker.send(message, () => undefined);
}

function tellParent(message: Message): void {
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
}

function isMessage(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'kind' in message;
}
