import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import { retryUntil } from '../../lib/retry-loop.ts';
import type { SettledRun } from '../runs/settle.ts';
import { type ClaimedItem, type Entry, type ItemResult, writeEntries } from './write-results.ts';

/** How long results are gathered before they are written together, unless somebody waits for them, in milliseconds. */
const GATHER_MS = 150;

/** What a journal writes to. */
export interface JournalOptions {
  readonly catalog: Catalog;
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
  #gathered = new Batch();
  #written: Promise<void> = Promise.resolve();
  #isWriting = false;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Tells that work on a tenant begins, unless that has been told. */
  begin(started: ClaimedItem): void {
    this.#add({ at: performance.now(), started });
  }

  /** Writes down how a try ended. */
  finish(result: ItemResult): void {
    this.#add({ at: performance.now(), result });
  }

  /** Resolves when all that has been told so far is written, sooner or later. */
  written(): Promise<void> {
    return this.#gathered.entries.length > 0 ? this.#gathered.written.promise : this.#written;
  }

  /** The same, at once. */
  flush(): Promise<void> {
    if (this.#gathered.entries.length > 0) this.#gathered.hurry.abort();
    return this.written();
  }

  #add(entry: Entry): void {
    this.#gathered.entries.push(entry);
    if (!this.#isWriting) void this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    const { run } = this.#options;
    this.#isWriting = true;
    while (this.#gathered.entries.length > 0) {
      const batch = this.#gathered;
      await sleep(GATHER_MS, undefined, { signal: batch.hurry.signal }).catch(() => undefined);
      this.#gathered = new Batch();
      this.#written = batch.written.promise;
      await this.#persistently((client) => writeEntries(client, run, batch.entries));
      batch.written.resolve();
    }
    this.#isWriting = false;
  }

  async #persistently(write: (client: pg.Client) => Promise<SettledRun>): Promise<void> {
    const { catalog, run, log, giveUp, onSettled } = this.#options;
    const settled = await retryUntil(
      giveUp,
      () => catalog.use(write),
      (err) => log.warn({ err, run }, 'what happened in a run cannot be written down now; trying again'),
    );
    if (settled) onSettled(settled);
  }
}

/** What is written together. */
class Batch {
  /** In the order in which it happened. */
  readonly entries: Entry[] = [];
  readonly written = Promise.withResolvers<void>();
  readonly hurry = new AbortController();
}
