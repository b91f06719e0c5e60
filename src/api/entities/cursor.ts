import { badInput } from '../../lib/errors.ts';

/** The values of a row in the columns of an order, in PostgreSQL's notation. */
export type CursorValues = readonly (string | null)[];

/**
 * Encodes a cursor.
 * @param order identifies the order of the list, because the values mean nothing in another one
 */
export function encodeCursor(order: string, values: CursorValues): string {
  return Buffer.from(JSON.stringify([order, ...values])).toString('base64url');
}

/**
 * Decodes a cursor from a client.
 * @param field the argument, `after` or `before`
 * @param count the number of columns of the order
 * @throws {AppError} BAD_USER_INPUT if it is not a cursor of this order
 */
export function decodeCursor(field: string, cursor: string, order: string, count: number): CursorValues {
  const [found, ...values] = parse(cursor);
  const isCursor = found === order && values.length === count;
  if (isCursor && values.every((value) => value === null || typeof value === 'string')) return values;
  throw invalidCursor(field);
}

/** The error for a cursor that the list has not returned. */
export function invalidCursor(field: string) {
  return badInput(field, 'Invalid cursor for this list');
}

function parse(cursor: string): readonly unknown[] {
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(values) ? values : [];
  } catch {
    return [];
  }
}
