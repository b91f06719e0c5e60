import { AppError } from '../lib/errors.ts';
import { shortList } from '../lib/short-list.ts';
import { historyTable } from '../migrator/files/history.ts';
import { copyTables, type DifferentTable, type TableToCopy } from './copy-tables.ts';
import { refuseDistributed } from './distributed.ts';
import { refuseLargeObjects } from './large-objects.ts';
import { refreshViews } from './materialized-views.ts';
import type { CopyPlace, CopyProgress } from './place.ts';
import { Tally } from './progress.ts';
import { refuseRowSecurity } from './row-security.ts';
import { copySequences } from './sequences.ts';
import { type CopySide, inSession, withSnapshot } from './session.ts';
import { hashStructure, requireSameStructure } from './structure.ts';
import { readStoredTables, type StoredTable, sharedColumns } from './tables.ts';
import { type ChangedTable, clearTarget, finishTarget } from './target.ts';

/** What a copy needs. */
export interface CopyOptions {
  readonly from: CopyPlace;
  /** Has the same tables, which may contain rows. Nobody else uses it. */
  readonly to: CopyPlace;
  /** The number of tables that are copied at the same time. */
  readonly parallel: number;
  /**
   * The name of an exported snapshot of the source database: the copy contains what the snapshot sees. Without it the copy
   * takes a snapshot of its own, so that the source may be written to meanwhile.
   * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION
   */
  readonly snapshot?: string;
  readonly onProgress?: (progress: CopyProgress) => void;
  readonly signal: AbortSignal;
}

/** How many tables a message names. */
const SHOWN = 5;

/**
 * Replaces the rows of one place by those of another, its sequences and its history included, and proves that both are equal:
 * their tables before, their rows after. If it fails, the target is to be dropped.
 * @returns the final progress
 * @throws {AppError} CONFLICT if the tables of the two places differ, with the differences, if the source has large objects, or if
 *   row security hides rows; what PostgreSQL reports otherwise
 */
export function copyPlace(options: CopyOptions): Promise<CopyProgress> {
  const { from, to, signal } = options;
  return inSession(
    from,
    (source) =>
      inSession(
        to,
        (target) => copyBetween(options, { place: from, client: source }, { place: to, client: target }),
        signal,
      ),
    signal,
  );
}

async function copyBetween(options: CopyOptions, from: CopySide, to: CopySide): Promise<CopyProgress> {
  const { parallel, signal } = options;
  const tally = new Tally(options.onProgress);
  for (const side of [from, to]) await refuseDistributed(side);
  await refuseRowSecurity(from);
  const structure = await requireSameStructure(from, to);
  await refuseRowSecurity(to);
  const { cleared, plan } = await withSnapshot(
    from.place,
    options.snapshot,
    async (snapshot) => {
      // Tables that are created later do not belong to the moment that is copied.
      await refuseLargeObjects(from);
      const plan = await makePlan(from, to);
      for (const table of plan.copied) tally.expect(table);
      const cleared = await clearTarget(to, { filled: plan.copied, emptied: plan.emptied });
      const different = await copyTables({ from, to, parallel, snapshot, tally }, plan.copied, signal);
      if (different.length > 0) throw differentRows(from.place, different);
      return { cleared, plan };
    },
    signal,
  );
  await copySequences(from, to);
  await finishTarget(to, cleared, plan.copied, parallel, signal);
  await refreshViews(from, to);
  if ((await hashStructure(to)) !== structure) await requireSameStructure(from, to);
  options.onProgress?.(tally.progress);
  return tally.progress;
}

/** What to do with each table. */
interface Plan {
  readonly copied: readonly (TableToCopy & Pick<StoredTable, 'rows' | 'bytes' | 'hasStatistics' | 'partitionOf'>)[];
  readonly emptied: readonly ChangedTable[];
}

/** A table whose file is empty has no rows, so neither side need be asked for them. */
async function makePlan(from: CopySide, to: CopySide): Promise<Plan> {
  const [source = [], target = []] = await Promise.all(
    [from, to].map(({ client, place }) => readStoredTables(client, place.schema)),
  );
  const targets = new Map(target.map((table) => [table.name, table]));
  const copied = source.flatMap((table) => {
    const own = targets.get(table.name);
    if (!own) throw new AppError('CONFLICT', `The table ${table.name} was created while the tenant was being copied`);
    return table.bytes === 0 ? [] : [{ ...table, columns: sharedColumns(table, own) }];
  });
  return { copied, emptied: target.filter(({ bytes }) => bytes !== 0) };
}

function differentRows({ schema, database }: CopyPlace, different: readonly DifferentTable[]): AppError {
  const described = different.map(({ name, source, target }) =>
    source.rows === target.rows
      ? `${name === historyTable ? 'the history' : name} has other values`
      : `${name} has ${target.rows} of ${source.rows} rows`,
  );
  return new AppError(
    'CONFLICT',
    `The copy of ${schema} in the database ${database} is not equal to it: ${shortList(described, SHOWN)}. Nothing was changed in the source. Try again; if it happens again, report it.`,
    { details: { tables: different.slice(0, SHOWN).map(({ name }) => name) } },
  );
}
