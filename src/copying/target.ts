import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { putBack, type TakenDown, takeDown } from './obstacles.ts';
import type { CopyPlace } from './place.ts';
import { inSession } from './session.ts';
import type { StoredTable } from './tables.ts';
import { portionsOf, together } from './together.ts';

/** A table whose rows change. */
export type ChangedTable = Pick<StoredTable, 'name' | 'partitionOf'>;

/** How many tables are emptied or analyzed with one statement. */
const PORTION = 50;

/**
 * Empties tables of a place, and removes what would refuse the rows that others are going to get, or change them.
 * @param filled the tables that get rows
 * @param emptied the tables that have some
 */
export function clearTarget(
  to: CopyPlace,
  { filled, emptied }: Readonly<Record<'filled' | 'emptied', readonly ChangedTable[]>>,
  signal: AbortSignal,
): Promise<TakenDown> {
  return inSession(
    to,
    async (client) => {
      const down = await takeDown(client, to.schema, { filled: withParents(filled), emptied: withParents(emptied) });
      for (const portion of portionsOf(emptied, PORTION)) {
        await client.query(`TRUNCATE ${portion.map(({ name }) => `ONLY ${tableSql(to, name)}`).join(', ')}`);
      }
      return down;
    },
    signal,
  );
}

/**
 * Puts back what was removed, checks the foreign keys and gathers the planner's statistics.
 * @param parallel the number of statements that run at the same time
 * @throws {pg.DatabaseError} 23503 if a row refers to one that is missing
 */
export async function finishTarget(
  to: CopyPlace,
  down: TakenDown,
  filled: readonly ChangedTable[],
  parallel: number,
  signal: AbortSignal,
): Promise<void> {
  const checks = await inSession(to, (client) => putBack(client, to.schema, down), signal);
  const analyzed = portionsOf([...new Set(filled.map(({ name, partitionOf }) => partitionOf.at(-1) ?? name))], PORTION);
  const queue = [
    ...checks,
    ...analyzed.map((names) => `ANALYZE ${names.map((name) => tableSql(to, name)).join(', ')}`),
  ];
  await together(
    signal,
    Array.from(
      { length: Math.max(1, Math.min(parallel, queue.length)) },
      () => (ended: AbortSignal) =>
        inSession(
          to,
          async (client) => {
            for (let sql = queue.shift(); sql !== undefined; sql = queue.shift()) await client.query(sql);
          },
          ended,
        ),
    ),
  );
}

function withParents(tables: readonly ChangedTable[]): ReadonlySet<string> {
  return new Set(tables.flatMap(({ name, partitionOf }) => [name, ...partitionOf]));
}

function tableSql({ schema }: CopyPlace, table: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
}
