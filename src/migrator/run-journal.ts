import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../catalog/catalog.ts';
import type { RunQueue } from './run-queue.ts';
import type { SettledRun } from './settle-run.ts';
import { type ClaimedItem, type Entry, type ItemResult, writeEntries } from './write-results.ts';

/** How long results are gathered before they are written together, in milliseconds. */
const GATHER_MS = 40;
const MAX_BATCH = 500;
const MAX_RETRY_MS = 5_000;

/** What a journal writes to. */
export interface JournalOptions {
  readonly catalog: Catalog;
  readonly queue: RunQueue;
  readonly run: string;
  readonly log: Logger;
  /** Told how the run stands after each time something has been written. */
  readonly onSettled: (settled: SettledRun) => void;
  /** Lets each write be tried once only from then on. */
  readonly giveUp: AbortSignal;
}

/**
 * Writes down what one process does in a run: events, results, counts and the tenants' new state, for many tenants at once
 * in one transaction, in which the run is also settled. While `auth` cannot be reached it keeps trying.
 */
export class RunJournal {
  readonly #options: JournalOptions;
  /** What is still to be written, in the order in which it happened. */
  #entries: Entry[] = [];
  #writing: Promise<void> | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Tells that work on a tenant begins, unless that has been told. */
  begin(started: ClaimedItem): void {
    this.#entries.push({ started });
    this.#writing ??= this.#writeAll();
  }

  /** Writes down how a try ended. */
  finish(result: ItemResult): void {
    this.#entries.push({ result });
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything has been written. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async #writeAll(): Promise<void> {
    const { queue, run } = this.#options;
    while (this.#entries.length > 0) {
      if (this.#entries.length < MAX_BATCH) await sleep(GATHER_MS);
      const entries = this.#entries.splice(0, MAX_BATCH);
      await this.#persistently((client) => writeEntries(client, queue, run, entries));
    }
    this.#writing = undefined;
  }

  async #persistently(write: (client: pg.Client) => Promise<SettledRun>): Promise<void> {
    const { catalog, run, log, giveUp, onSettled } = this.#options;
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      try {
        return onSettled(await catalog.use(write));
      } catch (err) {
        log.warn({ err, run }, 'what happened in a run cannot be written down now; trying again');
        if (giveUp.aborted) return;
        await sleep(delayMs);
      }
    }
  }
}
