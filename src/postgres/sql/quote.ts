import pg from 'pg';

/**
 * Quotes an identifier. All names of databases, schemas, roles and tables must pass through this function to reach SQL.
 * @throws {RangeError} if PostgreSQL would truncate the name (at 63 bytes) or cannot store it, so that it would be another name
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function quoteIdentifier(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > 63)
    throw new RangeError(`An identifier must have 1 to 63 bytes, but ${JSON.stringify(name)} has ${bytes}`);
  checkText(name, 'An identifier');
  return pg.escapeIdentifier(name);
}

/**
 * Quotes the name of a table, or of another object of a schema, together with its schema.
 * @throws {RangeError} as {@link quoteIdentifier}
 */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/**
 * Quotes a text as an SQL literal, for statements that take no parameters.
 * @throws {RangeError} if PostgreSQL cannot store it
 */
export function quoteLiteral(text: string): string {
  checkText(text, 'A text');
  return pg.escapeLiteral(text);
}

/** @see https://www.postgresql.org/docs/current/multibyte.html */
function checkText(text: string, what: string): void {
  if (text.includes('\0')) throw new RangeError(`${what} cannot contain a zero byte`);
  // Lone surrogates have no UTF-8 encoding: all of them would become the same replacement character.
  if (!text.isWellFormed()) throw new RangeError(`${what} cannot contain a lone surrogate`);
}
