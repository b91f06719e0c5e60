import pLimit, { type LimitFunction } from 'p-limit';
import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import { MigrationRun } from '../../catalog/entities/migration-run.entity.ts';
import type { CheckpointsOptions } from '../../checkpoints/checkpoints.ts';
import type { MigrationFolders } from '../../migrator/files/migration-folders.ts';
import type { InstallationRoles } from '../../routing/placement.ts';
import { readRunFiles } from '../runs/planned-files.ts';
import { readRun } from '../runs/read.ts';
import { RunJournal } from './journal.ts';
import { RunCommon } from './run-common.ts';
import type { RunContext } from './run-context.ts';
import type { ItemProgress } from './write-progress.ts';

/** Dependencies of working on the tenants of a run. */
export interface RunWorkOptions {
  readonly catalog: Catalog;
  readonly migrations: Pick<MigrationFolders, 'tenant' | 'common'>;
  readonly roles: InstallationRoles;
  /** The maximum number of tenants at once, across all runs. */
  readonly concurrency: number;
  readonly lockTimeoutMs: number;
  /** How long a batch of a backfill should take, in milliseconds. */
  readonly backfillBatchMs: number;
  /**
   * How long tenants in progress may take to finish when this worker stops or their run is cancelled, in milliseconds.
   */
  readonly stopMs: number;
  /** Acquires the owner's connection to a tenant's database. */
  readonly connect: RunContext['connect'];
  readonly checkpoints: CheckpointsOptions;
  readonly log: Logger;
}

/** The signals that stop a worker, from gentle to hard. */
export interface WorkSignals {
  /** Start nothing new. */
  readonly stop: AbortSignal;
  /** Interrupt the work in progress. */
  readonly interrupt: AbortSignal;
  /** Stop retrying writes. */
  readonly giveUp: AbortSignal;
}

/** A run in which this process has claimed tenants. */
export class ActiveRun {
  /** Undefined if the run is deleted, or the worker stops before reading it. */
  readonly context: Promise<RunContext | undefined>;
  readonly journal: RunJournal;
  readonly limit: LimitFunction;
  /** Interrupts the attempts in progress at its tenants. */
  readonly signal: AbortSignal;
  /** The number of claimed tenants whose result isn't written yet. */
  open = 0;
  /** The number of claimed tenants whose attempt hasn't ended. */
  underWay = 0;
  stopping = false;
  readonly #id: string;
  readonly #options: RunWorkOptions;
  /** Interrupts the tenants of this run only. */
  readonly #cancel = new AbortController();
  #isCancelled = false;

  /** @param leave called before any work if this process's migrations no longer match the run, such as a resumed one */
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

  /** The share of this process's claims that the run takes up. */
  get room(): number {
    return Math.min(this.underWay, this.limit.concurrency * 2);
  }

  /** Whether the run has enough claimed tenants for now. */
  get isFull(): boolean {
    return this.underWay >= this.limit.concurrency * 2;
  }

  /** Reads from the catalog whether the run is stopping. */
  async refreshStopping(): Promise<void> {
    if (this.#isCancelled) return;
    const { catalog, stopMs } = this.#options;
    const row = await catalog
      .fork()
      .findOne(MigrationRun, { id: this.#id })
      // If this read fails, a few more tenants are migrated before the run stops.
      .catch(() => null);
    this.stopping ||= row?.stopping != null;
    if (row?.stopping !== 'CANCELLED' || this.#isCancelled) return;
    this.#isCancelled = true;
    const reason = new Error(`it did not finish within ${stopMs / 1000} s after its run was cancelled`);
    setTimeout(() => this.#cancel.abort(reason), stopMs).unref();
  }

  async #read(stop: AbortSignal, leave: () => void): Promise<RunContext | undefined> {
    const { catalog, migrations, roles, lockTimeoutMs, backfillBatchMs, connect, checkpoints, log } = this.#options;
    const row = await readRun(catalog, this.#id, stop, log);
    if (!row) return undefined;
    const { id, checkpoint, options } = row;
    this.limit.concurrency = options.concurrency;
    this.stopping ||= row.stopping != null;
    const { files, common: commonFiles, mismatch } = await readRunFiles(migrations, row.files);
    if (mismatch !== undefined) leave();
    const common = new RunCommon({ files: options.down ? [] : commonFiles, roles, lockTimeoutMs, run: id, checkpoint });
    const colliding = new Set<string>();
    const work = {
      lockTimeoutMs,
      backfillBatchMs,
      shouldPause: () => this.stopping || stop.aborted,
      report: (progress: ItemProgress) => this.journal.report(progress),
      connect,
      checkpoints,
      log,
    };
    return { run: id, checkpoint, options, files, common, colliding, mismatch, ...work };
  }
}
