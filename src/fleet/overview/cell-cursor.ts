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

/** Returns the cursor as clients get it. */
export function encodeCellCursor({ since, until, last }: CellCursor): string {
  return Buffer.from(JSON.stringify([since ?? null, until ?? null, last ?? null])).toString('base64url');
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
