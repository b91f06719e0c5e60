import pLimit, { type LimitFunction } from 'p-limit';
import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import type { CheckpointsOptions } from '../../checkpoints/checkpoints.ts';
import type { MigrationFolder } from '../../migrator/files/migration-files.ts';
import { readRunFiles, warnOfRun } from '../runs/planned-files.ts';
import { readRun } from '../runs/read.ts';
import { RunJournal } from './journal.ts';
import type { RunContext } from './run-context.ts';

/** What working on the tenants of a run needs. */
export interface RunWorkOptions {
  readonly catalog: Catalog;
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

/** What tells a worker to end. */
export interface WorkSignals {
  /** Begin nothing. */
  readonly stop: AbortSignal;
  /** End what is under way. */
  readonly interrupt: AbortSignal;
  /** Write nothing down any more. */
  readonly giveUp: AbortSignal;
}

/** A run that this process has tenants of. */
export class ActiveRun {
  /** Undefined if the run is gone, or the worker stops before it could be read. */
  readonly context: Promise<RunContext | undefined>;
  readonly journal: RunJournal;
  readonly limit: LimitFunction;
  /** Ends the tries at its tenants that are under way. */
  readonly signal: AbortSignal;
  /** Claimed, and not written down. */
  open = 0;
  /** Claimed, and not tried to the end. */
  underWay = 0;
  stopping = false;
  readonly #id: string;
  readonly #options: RunWorkOptions;
  /** For the tenants of this run only. */
  readonly #cancel = new AbortController();
  #isCancelled = false;

  /** @param leave told before anything is done, if this process has other migrations than the run */
  constructor(id: string, options: RunWorkOptions, signals: WorkSignals, leave: () => void) {
    const { catalog, concurrency, log } = options;
    this.#id = id;
    this.#options = options;
    this.limit = pLimit(concurrency);
    this.signal = AbortSignal.any([signals.interrupt, this.#cancel.signal]);
    this.journal = new RunJournal({
      catalog,
      run: id,
      log,
      giveUp: signals.giveUp,
      onSettled: ({ stopping }) => {
        this.stopping = stopping;
      },
    });
    this.context = this.#read(signals.stop, leave);
  }

  /** How many tenants it takes up of those that the process may have claimed. */
  get room(): number {
    return Math.min(this.underWay, this.limit.concurrency * 2);
  }

  /** Whether it has tenants enough, so that no more are claimed. */
  get isFull(): boolean {
    return this.underWay >= this.limit.concurrency * 2;
  }

  /** Asks the catalog whether the run is to stop. */
  async refreshStopping(): Promise<void> {
    if (this.#isCancelled) return;
    const { catalog, stopMs } = this.#options;
    const row = await catalog
      .fork()
      .findOne(MigrationRun, { id: this.#id })
      // Without the answer more tenants are migrated than had to be, and the run stops all the same.
      .catch(() => null);
    this.stopping ||= row?.stopping != null;
    if (row?.stopping !== 'CANCELLED' || this.#isCancelled) return;
    this.#isCancelled = true;
    const reason = new Error(`it had not ended ${stopMs / 1000} s after its run was cancelled`);
    setTimeout(() => this.#cancel.abort(reason), stopMs).unref();
  }

  async #read(stop: AbortSignal, leave: () => void): Promise<RunContext | undefined> {
    const { catalog, migrations, lockTimeoutMs, connect, checkpoints, log } = this.#options;
    const row = await readRun(catalog, this.#id, stop, log);
    if (!row) return undefined;
    const { id, checkpoint, options } = row;
    this.limit.concurrency = options.concurrency;
    this.stopping ||= row.stopping != null;
    const { files, mismatch } = await readRunFiles(migrations, row.files);
    if (mismatch !== undefined) {
      leave();
      log.warn(
        { run: id, mismatch },
        'a migration run is left to other processes, since the migrations here are others',
      );
      await warnOfRun(catalog, id, mismatch).catch((err: unknown) =>
        log.warn({ err, run: id }, 'a warning is not told'),
      );
    }
    return { run: id, checkpoint, options, files, mismatch, lockTimeoutMs, connect, checkpoints, log };
  }
}
