import { quoteIdentifier, quoteQualified } from '../postgres/sql/quote.ts';

/**
 * Returns a statement that copies a table's rows, as text unless a format is added.
 * @param columns if empty, the statement has no list, because an empty one is not valid SQL; COPY then leaves out computed columns too
 */
export function copySql(
  schema: string,
  table: string,
  columns: readonly string[],
  direction: 'TO STDOUT' | 'FROM STDIN',
): string {
  const list = columns.length === 0 ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`;
  return `COPY ${quoteQualified(schema, table)}${list} ${direction}`;
}
