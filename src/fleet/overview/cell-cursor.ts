import * as z from 'zod';
import { decodeCursorValues, invalidCursor } from '../../orm/pagination.ts';

const snapshot = z.object({
  /** A snapshot of PostgreSQL as text: which transactions had committed. */
  snapshot: z.string().regex(/^\d{1,20}:\d{1,20}:[\d,]*$/),
  /** When it was taken, in seconds since 1970. */
  at: z.number().min(0).max(1e11),
  /** The number of the table that it is about. */
  table: z.string().regex(/^\d{1,10}$/),
});

const cursor = z.tuple([z.nullable(snapshot), z.nullable(snapshot), z.nullable(z.uuid())]);

type Snapshot = z.infer<typeof snapshot>;

/** Where a reader of the fleet is. */
export interface CellCursor {
  /** The changes after this moment are listed; undefined: all tenants are. */
  readonly since: Snapshot | undefined;
  /** The moment at which the current list began, from which the next one goes on; undefined if no list has begun. */
  readonly until: Snapshot | undefined;
  /** The last tenant of the current list that the reader has. */
  readonly last: string | undefined;
}

/** The maximum length of a cursor, in characters. */
export const MAX_CELL_CURSOR = 2_000;
/** A cursor holds two snapshots of at most this length, in characters. */
const MAX_SNAPSHOT = 600;

/** Returns the cursor as clients get it. */
export function encodeCellCursor({ since, until, last }: CellCursor): string {
  const parts = [since ? withinLimit(since) : null, until ? withinLimit(until) : null, last ?? null];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/**
 * A snapshot names each transaction that was in progress. If these are too many, it is replaced by the snapshot before the oldest of
 * them. Changes since then are listed again, and none is missed.
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT-PARTS
 */
function withinLimit(moment: Snapshot): Snapshot {
  if (moment.snapshot.length <= MAX_SNAPSHOT) return moment;
  const [oldest] = moment.snapshot.split(':', 1);
  return { ...moment, snapshot: `${oldest}:${oldest}:` };
}

/** @throws {AppError} BAD_USER_INPUT */
export function decodeCellCursor(text: string): CellCursor {
  const { data } = cursor.safeParse(decodeCursorValues(text));
  if (!data) throw invalidCursor('after');
  const [since, until, last] = data;
  // Other combinations are never given out.
  if ((until === null) !== (last === null) || (since ?? until) === null) throw invalidCursor('after');
  return { since: since ?? undefined, until: until ?? undefined, last: last ?? undefined };
}
