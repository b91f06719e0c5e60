import type pg from 'pg';
import { quoteQualified } from '../postgres/sql/quote.ts';
import { type TableToFill, takeDownIndexes } from './indexes.ts';
import { putBack, type TakenDown, takeDown } from './obstacles.ts';
import { type CopySide, inSession } from './session.ts';
import type { StoredTable } from './tables.ts';
import { portionsOf, together } from './together.ts';

/** A table whose rows change. */
export type ChangedTable = Pick<StoredTable, 'name' | 'partitionOf'>;

/** What was removed from a place, to be put back once its tables are filled. */
export interface ClearedTarget {
  readonly down: TakenDown;
  /** The statements that build each of its indexes. */
  readonly indexes: readonly (readonly string[])[];
}

/** How many tables are emptied or analyzed with one statement. */
const PORTION = 50;

/**
 * Empties tables of a place, and removes what would refuse the rows that others are going to get, change them, or make them slow.
 * @param filled the tables that get rows
 * @param emptied the tables that have some
 */
export async function clearTarget(
  { client, place }: CopySide,
  {
    filled,
    emptied,
  }: { readonly filled: readonly (ChangedTable & TableToFill)[]; readonly emptied: readonly ChangedTable[] },
): Promise<ClearedTarget> {
  const changed = { filled: withParents(filled), emptied: withParents(emptied) };
  const down = await takeDown(client, place.schema, changed);
  for (const portion of portionsOf(emptied, PORTION)) {
    await client.query(
      `TRUNCATE ${portion.map(({ name }) => `ONLY ${quoteQualified(place.schema, name)}`).join(', ')}`,
    );
  }
  // Last, because nothing may refer to a unique index that is dropped.
  return { down, indexes: await takeDownIndexes(client, place.schema, filled) };
}

/**
 * Puts back what was removed, checks the foreign keys and gathers the planner's statistics.
 * @param parallel the number of statements that run at the same time
 * @throws {pg.DatabaseError} 23505 or 23P01 if rows exclude each other; 23503 if a row refers to one that is missing
 */
export async function finishTarget(
  { client, place }: CopySide,
  { down, indexes }: ClearedTarget,
  filled: readonly ChangedTable[],
  parallel: number,
  signal: AbortSignal,
): Promise<void> {
  const runAll = async (works: readonly (readonly string[])[]) => {
    const queue = [...works];
    const work = async (worker: pg.Client) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        for (const sql of next) await worker.query(sql);
      }
    };
    await together(signal, [
      () => work(client),
      ...Array.from(
        { length: Math.min(parallel, queue.length) - 1 },
        () => (ended: AbortSignal) => inSession(place, work, ended),
      ),
    ]);
  };
  // First, because foreign keys refer to them.
  await runAll(indexes);
  const checks = await putBack(client, place.schema, down);
  const analyzed = portionsOf([...new Set(filled.map(({ name, partitionOf }) => partitionOf.at(-1) ?? name))], PORTION);
  await runAll([
    ...checks.map((sql) => [sql]),
    ...analyzed.map((names) => [`ANALYZE ${names.map((name) => quoteQualified(place.schema, name)).join(', ')}`]),
  ]);
}

function withParents(tables: readonly ChangedTable[]): ReadonlySet<string> {
  return new Set(tables.flatMap(({ name, partitionOf }) => [name, ...partitionOf]));
}
