import { quoteIdentifier } from '../postgres/sql/quote.ts';

/**
 * Returns a statement that copies a table's rows as text.
 * @param columns without any, the statement has no list, which would be no SQL; COPY then leaves out computed columns too
 */
export function copySql(
  schema: string,
  { name, columns }: { readonly name: string; readonly columns: readonly { readonly name: string }[] },
  direction: 'TO STDOUT' | 'FROM STDIN',
): string {
  const list = columns.length === 0 ? '' : ` (${columns.map((column) => quoteIdentifier(column.name)).join(', ')})`;
  return `COPY ${quoteIdentifier(schema)}.${quoteIdentifier(name)}${list} ${direction}`;
}
