import type pg from 'pg';
import { AppError } from '../lib/errors.ts';
import { type Checksum, checksum, isSame } from './checksum.ts';
import type { Tally } from './progress.ts';
import { beginInSnapshotSql, type CopySide, inSession } from './session.ts';
import { streamTable } from './stream-table.ts';
import type { StoredColumn, StoredTable } from './tables.ts';
import { together } from './together.ts';

/** A table whose rows are to be copied. */
export type TableToCopy = Pick<StoredTable, 'name' | 'columns' | 'isPortable' | 'bytes'>;

/** A table whose rows differ after the copy. */
export interface DifferentTable {
  readonly name: string;
  readonly source: Checksum;
  readonly target: Checksum;
}

/** What copying tables needs. */
export interface TablesOptions {
  readonly from: CopySide;
  readonly to: CopySide;
  readonly parallel: number;
  /** The exported snapshot that the source is read with. */
  readonly snapshot: string;
  readonly tally: Tally;
}

/** How many tables, and how many bytes, are copied before their locks are released. */
const PORTION = { tables: 40, bytes: 256 * 2 ** 20 };

/**
 * Copies tables, several at the same time, and compares each with its source. It locks few tables at a time, because the lock
 * table of a server has not enough room for a tenant with thousands.
 * @returns the tables that differ
 */
export async function copyTables(
  options: TablesOptions,
  tables: readonly TableToCopy[],
  signal: AbortSignal,
): Promise<readonly DifferentTable[]> {
  // The largest first, so that none is left for one worker at the end.
  const queue = tables.toSorted((one, other) => (other.bytes ?? 0) - (one.bytes ?? 0));
  const workers = Math.max(1, Math.min(options.parallel, queue.length));
  const different: DifferentTable[] = [];
  const work = async (source: pg.Client, target: pg.Client, ended: AbortSignal) => {
    while (queue.length > 0) {
      await inBoth([source, target], options.snapshot, async () => {
        let bytes = 0;
        for (let n = 0; n < PORTION.tables && bytes < PORTION.bytes; n += 1) {
          const table = queue.shift();
          if (!table) break;
          bytes += table.bytes ?? 0;
          const found = await copyTable(options, [source, target], table, ended);
          if (found) different.push(found);
        }
      });
    }
  };
  await inParallel(options, workers, work, signal);
  return different;
}

/** Runs workers, the first with the connections that are there. It does everything if there are none for more. */
async function inParallel(
  { from, to }: Pick<TablesOptions, 'from' | 'to'>,
  workers: number,
  work: (source: pg.Client, target: pg.Client, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const further = async (ended: AbortSignal) => {
    let begun = false;
    const withTarget = (source: pg.Client, target: pg.Client) => {
      begun = true;
      return work(source, target, ended);
    };
    try {
      await inSession(
        from.place,
        (source) => inSession(to.place, (target) => withTarget(source, target), ended),
        ended,
      );
    } catch (error) {
      if (begun || !(error instanceof AppError) || error.code !== 'SERVER_BUSY') throw error;
    }
  };
  await together(signal, [
    (ended) => work(from.client, to.client, ended),
    ...Array.from({ length: workers - 1 }, () => further),
  ]);
}

async function inBoth(
  [source, target]: readonly [pg.Client, pg.Client],
  snapshot: string,
  work: () => Promise<void>,
): Promise<void> {
  await Promise.all([
    source.query(beginInSnapshotSql(snapshot)),
    // What follows the copy flushes this to disk too.
    target.query('BEGIN; SET LOCAL synchronous_commit = off'),
  ]);
  await work();
  await Promise.all([source.query('COMMIT'), target.query('COMMIT')]);
}

async function copyTable(
  { from, to, tally }: TablesOptions,
  clients: readonly [pg.Client, pg.Client],
  { name, columns, isPortable }: TableToCopy,
  signal: AbortSignal,
): Promise<DifferentTable | undefined> {
  const copied = columns.filter(({ isGenerated }) => !isGenerated).map((column) => column.name);
  const rows = await streamTable(
    clients,
    [from.place.schema, to.place.schema],
    { name, columns: copied, format: isPortable ? 'binary' : 'text' },
    (bytes, rows) => tally.add(name, bytes, rows),
    signal,
  );
  const [source, target] = await checksums(clients, [from.place.schema, to.place.schema], name, columns);
  tally.finish(name, rows);
  return isSame(source, target) ? undefined : { name, source, target };
}

function checksums(
  [source, target]: readonly [pg.Client, pg.Client],
  [from, to]: readonly [string, string],
  table: string,
  columns: readonly StoredColumn[],
): Promise<[Checksum, Checksum]> {
  return Promise.all([checksum(source, from, table, columns), checksum(target, to, table, columns)]);
}
