import type { CopyProgress } from './place.ts';
import type { StoredTable } from './tables.ts';

/** A table to count. */
export type CountedTable = Pick<StoredTable, 'name' | 'rows' | 'bytes' | 'hasStatistics' | 'columns' | 'isPortable'>;

/** What is counted of one table. */
interface Count {
  readonly table: CountedTable;
  bytes: number;
  rows: number;
  isFinished: boolean;
}

/** How often progress is reported, in milliseconds. */
const REPORT_MS = 200;
/** From how many rows on their width is known well enough. */
const SAMPLE_ROWS = 100;
/** What a stored row takes beside its values, in bytes. @see https://www.postgresql.org/docs/current/storage-page-layout.html */
const ROW_BYTES = 28;
/** The alignment of stored rows, in bytes. */
const ALIGNMENT = 8;

/** Counts what is copied, and reports it from time to time. */
export class Tally {
  readonly #counts = new Map<string, Count>();
  readonly #report: ((progress: CopyProgress) => void) | undefined;
  #reportedAt = 0;

  constructor(report: ((progress: CopyProgress) => void) | undefined) {
    this.#report = report;
  }

  /** Adds a table that is to be copied. */
  expect(table: CountedTable): void {
    this.#counts.set(table.name, { table, bytes: 0, rows: 0, isFinished: false });
  }

  /** Adds what a chunk has: its bytes, and the rows that begin in it. */
  add(table: string, bytes: number, rows: number): void {
    const count = this.#counts.get(table);
    if (count) {
      count.bytes += bytes;
      count.rows += rows;
    }
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    this.#report?.(this.progress);
  }

  /** Notes that all rows of a table are copied. */
  finish(table: string, rows: number): void {
    const count = this.#counts.get(table);
    if (count) {
      count.rows = rows;
      count.isFinished = true;
    }
    this.add(table, 0, 0);
  }

  /** The rows and bytes are exact. Only the total is an estimate, until all tables are copied. */
  get progress(): CopyProgress {
    let [copied, total, bytes] = [0, 0, 0];
    for (const count of this.#counts.values()) {
      copied += count.rows;
      total += count.isFinished ? count.rows : Math.max(expectedRows(count), count.rows);
      bytes += count.bytes;
    }
    return { rowsCopied: copied, rowsTotal: total, bytesCopied: bytes };
  }
}

/**
 * Estimates the rows of a table. Of one that PostgreSQL has no statistics of, such as after a large import, the rows so far show how
 * many fit into its file.
 */
function expectedRows({ table, rows, bytes }: Count): number {
  if (table.hasStatistics || table.bytes === undefined || rows < SAMPLE_ROWS) return table.rows;
  // The binary format has the number of fields and the length of each beside the values.
  const beside = table.isPortable ? 2 + 4 * table.columns.length : 0;
  const values = Math.max(0, bytes / rows - beside);
  return Math.ceil(table.bytes / (ROW_BYTES + Math.ceil(values / ALIGNMENT) * ALIGNMENT));
}
