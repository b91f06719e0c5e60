import { elapsedSince } from '../../lib/time.ts';
import type { Cursor } from './history.ts';

/** How far a backfill is in one tenant. */
export interface BackfillProgress {
  readonly rowsDone: number;
  /** For large tables an estimate, but never less than what is done. */
  readonly rowsTotal: number;
  /** Since the work on it began or was resumed; null while it is unknown. */
  readonly rowsPerSecond: number | null;
  /** Estimated from the rate; null while it is unknown. */
  readonly remainingSeconds: number | null;
}

/** The shortest time between two reports, in milliseconds. */
const REPORT_MS = 2_000;
/** The time between two reports grows with the time since the first, so that a backfill of days has some hundred. */
const REPORT_SHARE = 0.02;

/** Reports the progress of a backfill from time to time. */
export class ProgressReports {
  readonly #report: (progress: BackfillProgress) => void;
  readonly #start = performance.now();
  #reportedAt = performance.now();
  #first: number | undefined;

  constructor(report: (progress: BackfillProgress) => void) {
    this.#report = report;
  }

  /** @param cursor where the backfill is after a batch */
  add(cursor: Cursor): void {
    const isFirst = this.#first === undefined;
    this.#first ??= cursor.rowsDone;
    const ms = elapsedSince(this.#start);
    if (!isFirst && elapsedSince(this.#reportedAt) < Math.max(REPORT_MS, ms * REPORT_SHARE)) return;
    this.#reportedAt = performance.now();
    const rowsTotal = Math.max(cursor.rowsTotal, cursor.rowsDone);
    const rate = (1000 * (cursor.rowsDone - this.#first)) / ms;
    this.#report({
      rowsDone: cursor.rowsDone,
      rowsTotal,
      rowsPerSecond: rate > 0 ? Number(rate.toPrecision(3)) : null,
      remainingSeconds: rate > 0 ? Number(((rowsTotal - cursor.rowsDone) / rate).toFixed(1)) : null,
    });
  }
}

/** Describes the progress in words. */
export function describeProgress({ rowsDone, rowsTotal, rowsPerSecond, remainingSeconds }: BackfillProgress): string {
  const rate = rowsPerSecond === null ? '' : `, ${Math.round(rowsPerSecond)} a second`;
  const left = remainingSeconds === null ? '' : `, ${Math.ceil(remainingSeconds)} s left`;
  return `${rowsDone} of about ${Math.round(rowsTotal)} rows${rate}${left}`;
}
