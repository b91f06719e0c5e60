const NEWLINE = 0x0a;

/**
 * Counts the rows in a part of `COPY` text: PostgreSQL ends each row with a newline, and writes newlines of values in another way.
 * @see https://www.postgresql.org/docs/current/sql-copy.html
 */
export function countLines(part: Buffer): number {
  let lines = 0;
  for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}
