import { decodeCursorValues, invalidCursor } from '../../orm/pagination.ts';

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
  const [found, ...values] = decodeCursorValues(cursor) ?? [];
  const isCursor = found === order && values.length === count;
  if (isCursor && values.every((value) => value === null || typeof value === 'string')) return values;
  throw invalidCursor(field);
}
