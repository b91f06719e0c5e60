import pg from 'pg';

/**
 * The one function through which names of databases, schemas, roles and tables reach SQL.
 * @throws {RangeError} if PostgreSQL would cut the name short (63 bytes) or cannot hold it: what it held then is another name
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function quoteIdentifier(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > 63)
    throw new RangeError(`An identifier has 1 to 63 bytes; ${JSON.stringify(name)} has ${bytes}`);
  checkText(name, 'An identifier');
  return pg.escapeIdentifier(name);
}

/**
 * A text as a literal in SQL, for statements that take no parameters.
 * @throws {RangeError} if PostgreSQL cannot hold it
 */
export function quoteLiteral(text: string): string {
  checkText(text, 'A text');
  return pg.escapeLiteral(text);
}

/** @see https://www.postgresql.org/docs/current/multibyte.html */
function checkText(text: string, what: string): void {
  if (text.includes('\0')) throw new RangeError(`${what} cannot hold a zero byte`);
  // They have no form in UTF-8, so that all of them would become the same other character.
  if (!text.isWellFormed()) throw new RangeError(`${what} cannot hold half a surrogate pair`);
}
