import type { CopyProgress } from './place.ts';

/** What is counted of one table. */
interface Count {
  readonly expectedRows: number;
  readonly expectedBytes: number;
  bytes: number;
  /** Undefined until all rows are copied. */
  rows: number | undefined;
}

/** How often progress is reported, in milliseconds. */
const REPORT_MS = 200;

/** Counts what is copied, and reports it from time to time. */
export class Tally {
  readonly #counts = new Map<string, Count>();
  readonly #report: ((progress: CopyProgress) => void) | undefined;
  #reportedAt = 0;
  #rowsShown = 0;

  constructor(report: ((progress: CopyProgress) => void) | undefined) {
    this.#report = report;
  }

  /** Adds a table that is to be copied, with its estimated size. */
  expect(table: string, rows: number, bytes: number): void {
    this.#counts.set(table, { expectedRows: rows, expectedBytes: bytes, bytes: 0, rows: undefined });
  }

  addBytes(table: string, bytes: number): void {
    const count = this.#counts.get(table);
    if (count) count.bytes += bytes;
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    this.#report?.(this.progress);
  }

  /** Notes that all rows of a table are copied. */
  finish(table: string, rows: number): void {
    const count = this.#counts.get(table);
    if (count) count.rows = rows;
    this.addBytes(table, 0);
  }

  /** While a table is copied, its rows so far are estimated by its bytes. */
  get progress(): CopyProgress {
    let [copied, total, bytes] = [0, 0, 0];
    for (const count of this.#counts.values()) {
      const share = count.expectedBytes > 0 ? Math.min(1, count.bytes / count.expectedBytes) : 0;
      copied += count.rows ?? Math.floor(count.expectedRows * share);
      total += count.rows ?? count.expectedRows;
      bytes += count.bytes;
    }
    // An estimate that was too high must not look like a step back.
    this.#rowsShown = this.#isFinished ? copied : Math.max(this.#rowsShown, copied);
    return { rowsCopied: this.#rowsShown, rowsTotal: Math.max(total, this.#rowsShown), bytesCopied: bytes };
  }

  get #isFinished(): boolean {
    return [...this.#counts.values()].every(({ rows }) => rows !== undefined);
  }
}
