import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import { MigrationRun } from '../catalog/migration-run.entity.ts';
import type { Listener } from '../postgres/listener.ts';
import type { CheckpointsOptions } from './checkpoints.ts';
import { claimItems, jobsClaimedBy, type RunItem, takeOverItems } from './claim-items.ts';
import { lookAtTenant, migrateTenant, type RunContext } from './migrate-tenant.ts';
import type { MigrationFolder } from './migration-files.ts';
import { readRun } from './read-run.ts';
import { repeatUntil } from './repeat.ts';
import { RunJournal } from './run-journal.ts';
import { type RunQueue, workChannel } from './run-queue.ts';
import type { ItemResult } from './write-results.ts';

/** What carrying out runs needs. */
export interface FleetWorkerOptions {
  readonly catalog: Catalog;
  readonly queue: RunQueue;
  readonly listener: Listener;
  readonly migrations: MigrationFolder;
  /** Tenants at once, over all runs. */
  readonly concurrency: number;
  readonly lockTimeoutMs: number;
  /** How long tenants under way may take to end when this worker stops, or their run is cancelled, in milliseconds. */
  readonly stopMs: number;
  /** Lends an owner's connection to a tenant's database. */
  readonly connect: RunContext['connect'];
  readonly checkpoints: CheckpointsOptions;
  readonly log: Logger;
}

/** A run that this process has tenants of. */
interface ActiveRun {
  readonly context: Promise<RunContext | undefined>;
  readonly journal: RunJournal;
  readonly limit: LimitFunction;
  /** Claimed, and not finished. */
  open: number;
  stopping: boolean;
  /** Ends the tries at tenants that are under way; `cancel` is for those of this run only. */
  readonly signal: AbortSignal;
  readonly cancel: AbortController;
  cancelled: boolean;
}

/** How often to look for work even if nobody calls, in milliseconds: tenants that are tried again wait for a time. */
const LOOK_MS = 500;
/** How often to look for tenants of processes that have died, in milliseconds. */
const TAKE_OVER_MS = 5_000;
/** How long a worker that stops tries again to write down what it did, in milliseconds. */
const GIVE_UP_MS = 10_000;

/** Carries out runs: takes tenants from the queue that all processes share, and works on several at once. */
export class FleetWorker implements AsyncDisposable {
  readonly #options: FleetWorkerOptions;
  readonly #limit: LimitFunction;
  readonly #runs = new Map<string, ActiveRun>();
  readonly #tasks = new Set<Promise<void>>();
  /** The jobs of these tasks. */
  readonly #held = new Set<string>();
  /** Jobs that this process has claimed and did not know of when it looked last. */
  #unknown: ReadonlySet<string> = new Set();
  /** Claimed, and not worked on to the end; what is only still to be written down does not count. */
  #waiting = 0;
  readonly #stop = new AbortController();
  /** Ends whatever is under way. */
  readonly #interrupt = new AbortController();
  readonly #giveUp = new AbortController();
  #bell = Promise.withResolvers<void>();
  #loops: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(options: FleetWorkerOptions) {
    this.#options = options;
    this.#limit = pLimit(options.concurrency);
  }

  /** Begins to work. */
  start(): void {
    const silence = this.#options.listener.on(workChannel, (run) => {
      this.#bell.resolve();
      if (run !== undefined) void this.#learnWhetherStopping(run);
    });
    const trouble = (err: unknown) =>
      this.#options.log.warn({ err }, 'cannot look for work on migration runs now; trying again');
    this.#loops = Promise.all([
      repeatUntil(this.#stop.signal, () => this.#claim(), 0, trouble),
      repeatUntil(this.#stop.signal, () => this.#takeOver(), TAKE_OVER_MS, trouble),
    ]).finally(silence);
  }

  /**
   * Takes no more tenants. Those under way end, or are rolled back and given back when their time is over; those that wait for
   * their turn go back into the queue.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(): Promise<void> {
    const { stopMs } = this.#options;
    this.#stop.abort();
    this.#bell.resolve();
    const reason = new Error('it had not ended when the process that worked on it stopped');
    const patience = setTimeout(() => this.#interrupt.abort(reason), stopMs);
    // What cannot be written down, since auth is gone, is for those who take over.
    const limit = setTimeout(() => this.#giveUp.abort(), GIVE_UP_MS);
    await this.#loops;
    await Promise.all(this.#tasks);
    clearTimeout(patience);
    clearTimeout(limit);
  }

  async #claim(): Promise<void> {
    const { catalog, queue, listener, concurrency } = this.#options;
    // Some more than are worked on, so that nobody waits for the next ones to be claimed.
    const room = concurrency * 2 - this.#waiting;
    this.#bell = Promise.withResolvers();
    // Without the sign of life others would take at once what is claimed now.
    if (room < concurrency || !listener.connected) return this.#called();
    const items = await claimItems(catalog, queue, listener.instance, room);
    for (const item of items) this.#begin(item);
    if (items.length < room) await this.#called();
  }

  /** Resolves when there may be something to do: a call, a finished tenant, or after some time. */
  async #called(): Promise<void> {
    const timer = new AbortController();
    const { signal } = timer;
    await Promise.race([this.#bell.promise, sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)]);
    timer.abort();
  }

  #begin(item: RunItem): void {
    this.#waiting += 1;
    this.#held.add(item.job);
    const task: Promise<void> = this.#work(item).finally(() => {
      this.#tasks.delete(task);
      this.#held.delete(item.job);
    });
    this.#tasks.add(task);
  }

  async #work(item: RunItem): Promise<void> {
    const run = this.#activeRun(item.run);
    run.open += 1;
    const context = await run.context;
    await run.limit(() => this.#limit(() => this.#migrate(run, context, item)));
    this.#waiting -= 1;
    this.#bell.resolve();
    await run.journal.flush();
    run.open -= 1;
    if (run.open === 0) this.#runs.delete(item.run);
  }

  async #migrate(run: ActiveRun, context: RunContext | undefined, item: RunItem): Promise<void> {
    const { journal } = run;
    if (!context || (run.stopping && item.attempts === 0) || this.#stop.signal.aborted) {
      const { position, tenantId, job, attempts } = item;
      const nothing = { applied: [], records: [], events: [], durationMs: 0 };
      journal.finish({ position, tenantId, job, attempts, status: 'PENDING', ...nothing });
      return;
    }
    const result = await this.#tryOnce(run, context, item);
    journal.finish(result);
    const { continueOnError, maxFailures } = context.options;
    // This failure may be the one too many, so the next tenant waits until that has been found out.
    if (result.status === 'FAILED' && (!continueOnError || maxFailures !== undefined)) await journal.flush();
  }

  async #tryOnce({ journal, stopping, signal }: ActiveRun, context: RunContext, item: RunItem): Promise<ItemResult> {
    if (stopping) return lookAtTenant(context, item, this.#interrupt.signal);
    journal.begin(item);
    // Should this one kill the process at once, it must be known which it was.
    if (item.attempts > 0) await journal.flush();
    return migrateTenant(context, item, signal);
  }

  #activeRun(id: string): ActiveRun {
    const known = this.#runs.get(id);
    if (known) return known;
    const { catalog, queue, concurrency, log } = this.#options;
    const limit = pLimit(concurrency);
    const cancel = new AbortController();
    const run: ActiveRun = {
      context: readRun(catalog, id, this.#stop.signal, log).then((row) => {
        if (!row) return undefined;
        limit.concurrency = row.options.concurrency;
        run.stopping ||= row.stopping != null;
        return this.#contextOf(row);
      }),
      journal: new RunJournal({
        catalog,
        queue,
        run: id,
        log,
        giveUp: this.#giveUp.signal,
        onSettled: ({ stopping }) => {
          run.stopping = stopping;
        },
      }),
      limit,
      open: 0,
      stopping: false,
      signal: AbortSignal.any([this.#interrupt.signal, cancel.signal]),
      cancel,
      cancelled: false,
    };
    this.#runs.set(id, run);
    return run;
  }

  #contextOf({ id, checkpoint, options }: MigrationRun): RunContext {
    const { migrations, lockTimeoutMs, connect, checkpoints, log } = this.#options;
    const files = migrations.read();
    // Each tenant says why, if the files cannot be read.
    files.catch(() => undefined);
    return { run: id, checkpoint, options, files, lockTimeoutMs, connect, checkpoints, log };
  }

  async #learnWhetherStopping(id: string): Promise<void> {
    const run = this.#runs.get(id);
    if (!run || run.cancelled) return;
    const row = await this.#options.catalog
      .fork()
      .findOne(MigrationRun, { id })
      // Without the answer more tenants are migrated than had to be, and the run stops all the same.
      .catch(() => null);
    run.stopping ||= row?.stopping != null;
    if (row?.stopping !== 'CANCELLED' || run.cancelled) return;
    run.cancelled = true;
    const { stopMs } = this.#options;
    const reason = new Error(`it had not ended ${stopMs / 1000} s after its run was cancelled`);
    setTimeout(() => run.cancel.abort(reason), stopMs).unref();
  }

  async #takeOver(): Promise<void> {
    const { catalog, queue, listener, log } = this.#options;
    const claimed = await jobsClaimedBy(catalog, listener.instance);
    const unknown = new Set(claimed.filter((job) => !this.#held.has(job)));
    // A claim that was committed without an answer is known to nobody; one that is under way is known the next time.
    const lost = claimed.filter((job) => unknown.has(job) && this.#unknown.has(job));
    this.#unknown = unknown;
    const count = await takeOverItems(catalog, queue, lost);
    if (count > 0) log.warn({ tenants: count }, 'taking over tenants in migration runs that nobody works on any more');
  }
}
