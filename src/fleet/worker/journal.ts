import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Catalog } from '../../catalog/catalog.ts';
import { retryUntil } from '../../lib/retry-loop.ts';
import { withoutTrace } from '../../telemetry/tracing.ts';
import type { SettledRun } from '../runs/settle.ts';
import type { ItemProgress } from './write-progress.ts';
import { type ClaimedItem, type Entry, type ItemResult, writeEntries } from './write-results.ts';

/** How long results are gathered before they are written together, unless a caller flushes, in milliseconds. */
const GATHER_MS = 150;

/** Dependencies of a journal. */
export interface JournalOptions {
  readonly catalog: Catalog;
  readonly run: string;
  readonly log: Logger;
  /** Called with the run's state after each write. */
  readonly onSettled: (settled: SettledRun) => void;
  /** After this signal, each write is tried only once. */
  readonly giveUp: AbortSignal;
}

/**
 * Records what one process does in a run: events, results, counts and tenants' new states. It writes many tenants in
 * one transaction, which also settles the run. It retries while `auth` is unreachable.
 */
export class RunJournal {
  readonly #options: JournalOptions;
  #gathered = new Batch();
  #written: Promise<void> = Promise.resolve();
  #isWriting = false;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Records that work on a tenant starts, unless that is already recorded. */
  begin(started: ClaimedItem): void {
    this.#add({ at: performance.now(), started });
  }

  /** Records what an attempt that goes on has done so far. */
  report(progress: ItemProgress): void {
    this.#add({ at: performance.now(), progress });
  }

  /** Records the result of an attempt. */
  finish(result: ItemResult): void {
    this.#add({ at: performance.now(), result });
  }

  /** Resolves when everything recorded so far is written, at the next regular write. */
  written(): Promise<void> {
    return this.#gathered.entries.length > 0 ? this.#gathered.written.promise : this.#written;
  }

  /** Like {@link written}, but writes immediately. */
  flush(): Promise<void> {
    if (this.#gathered.entries.length > 0) this.#gathered.hurry.abort();
    return this.written();
  }

  #add(entry: Entry): void {
    this.#gathered.entries.push(entry);
    // It goes on when the tenant's trace that starts it has ended.
    if (!this.#isWriting) void withoutTrace(() => this.#writeAll());
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
      (err) => log.warn({ err, run }, 'could not record the progress of a run; retrying'),
    );
    if (settled) onSettled(settled);
  }
}

/** Entries that are written together. */
class Batch {
  /** In the order in which they happened. */
  readonly entries: Entry[] = [];
  readonly written = Promise.withResolvers<void>();
  readonly hurry = new AbortController();
}
