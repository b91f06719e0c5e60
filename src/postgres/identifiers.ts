import pg from 'pg';

/**
 * The one function through which names of databases, schemas, roles and tables reach SQL.
 * @throws {RangeError} if PostgreSQL would cut the name short (63 bytes) or cannot hold it, since a name cut short is another name
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function quoteIdentifier(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > 63)
    throw new RangeError(`An identifier has 1 to 63 bytes; ${JSON.stringify(name)} has ${bytes}`);
  if (name.includes('\0')) throw new RangeError('An identifier cannot hold a zero byte');
  return pg.escapeIdentifier(name);
}

/**
 * A text as a literal in SQL, for statements that take no parameters.
 * @throws {RangeError} if it holds a zero byte, which PostgreSQL's texts cannot
 */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new RangeError('A text cannot hold a zero byte');
  return pg.escapeLiteral(text);
}
