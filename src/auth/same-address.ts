/**
 * Returns the SQL of what equal addresses have in common: case does not matter. The collation is that of the index,
 * and the same on every server.
 * @param sql a column or parameter with an email address
 */
export function sameAddress(sql: string): string {
  return `lower(${sql} COLLATE "C")`;
}
