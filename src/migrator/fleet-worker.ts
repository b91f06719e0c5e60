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
}

/** How often to look for work even if nobody calls, in milliseconds: tenants that are tried again wait for a time. */
const LOOK_MS = 500;
/** How often to look for tenants of processes that have died, in milliseconds. */
const TAKE_OVER_MS = 5_000;
const MAX_TROUBLE_MS = 5_000;
/** How long a worker that stops tries to write down what it did, in milliseconds. */
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
  readonly #giveUp = new AbortController();
  #bell = Promise.withResolvers<void>();
  #loops: Promise<unknown> = Promise.resolve();

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
    this.#loops = Promise.all([
      this.#repeat(() => this.#claim()),
      this.#repeat(() => this.#takeOver(), TAKE_OVER_MS),
    ]).finally(silence);
  }

  /** Tenants under way end; those that wait for their turn go back into the queue. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#bell.resolve();
    await this.#loops;
    // What cannot be written down, since auth is gone, is for those who take over.
    const limit = setTimeout(() => this.#giveUp.abort(), GIVE_UP_MS);
    await Promise.all(this.#tasks);
    clearTimeout(limit);
  }

  /** Does `work` again and again until this worker stops, more slowly while it fails. */
  async #repeat(work: () => Promise<void>, pauseMs = 0): Promise<void> {
    const { signal } = this.#stop;
    for (let troubleMs = 0; !signal.aborted; ) {
      try {
        await work();
        troubleMs = 0;
      } catch (err) {
        this.#options.log.warn({ err }, 'cannot look for work on migration runs now; trying again');
        troubleMs = Math.min(troubleMs * 2 || 200, MAX_TROUBLE_MS);
      }
      await sleep(pauseMs + troubleMs, undefined, { signal }).catch(() => undefined);
    }
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

  async #tryOnce({ journal, stopping }: ActiveRun, context: RunContext, item: RunItem): Promise<ItemResult> {
    if (stopping) return lookAtTenant(context, item);
    journal.begin(item);
    // Should this one kill the process at once, it must be known which it was.
    if (item.attempts > 0) await journal.flush();
    return migrateTenant(context, item);
  }

  #activeRun(id: string): ActiveRun {
    const known = this.#runs.get(id);
    if (known) return known;
    const { catalog, queue, concurrency, log } = this.#options;
    const limit = pLimit(concurrency);
    const run: ActiveRun = {
      context: this.#readRun(id).then((row) => {
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
    };
    this.#runs.set(id, run);
    return run;
  }

  /** Undefined if the run is gone, or this worker stops before it could be read. */
  async #readRun(id: string): Promise<MigrationRun | undefined> {
    const { catalog, log } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        return (await catalog.fork().findOne(MigrationRun, { id })) ?? undefined;
      } catch (err) {
        log.warn({ err, run: id }, 'a migration run cannot be read now; trying again');
        await sleep(LOOK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
    return undefined;
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
    if (!run || run.stopping) return;
    const row = await this.#options.catalog
      .fork()
      .findOne(MigrationRun, { id })
      // Without the answer more tenants are migrated than had to be, and the run stops all the same.
      .catch(() => null);
    run.stopping = row?.stopping != null;
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
