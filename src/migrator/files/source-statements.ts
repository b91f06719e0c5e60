import type { Statement, StatementParser } from '../../postgres/sql/statements.ts';

/** A statement of a migration file. */
export interface SourceStatement extends Statement {
  /** The line of the file in which it starts, from 1; undefined if the file doesn't hold it as it is sent. */
  readonly line: number | undefined;
}

/**
 * Parses the texts that a migration adds, and finds their statements in its file.
 * @param source the file's text
 */
export function locateStatements(
  texts: readonly string[],
  source: string,
  parse: StatementParser,
): readonly SourceStatement[] {
  const file = source.replaceAll('\r\n', '\n');
  let position = 0;
  return texts.flatMap(parse).map((statement) => {
    // Most files add their statements in the order in which they hold them; the same text may occur twice.
    const after = file.indexOf(statement.text, position);
    const found = after < 0 ? file.indexOf(statement.text) : after;
    if (found >= 0) position = found + statement.text.length;
    return { ...statement, line: found < 0 ? undefined : file.slice(0, found).split('\n').length };
  });
}
