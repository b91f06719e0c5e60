import pg from 'pg';
import { shortened } from '../files/obstacles.ts';
import type { SourceStatement } from '../files/source-statements.ts';

/** The widest part of a line that an error shows, in characters. */
const SHOWN = 120;

/**
 * Adds to PostgreSQL's error which statement failed, its line in the migration's file, and the place that PostgreSQL
 * reports.
 * @param offset the place in the statement, in characters from 0; undefined if PostgreSQL doesn't report it
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function withStatement(
  error: unknown,
  statement: (Pick<SourceStatement, 'text'> & Partial<SourceStatement>) | undefined,
  offset?: number,
): unknown {
  if (!(error instanceof pg.DatabaseError) || statement === undefined) return error;
  const detail = error.detail ? ` (${error.detail})` : '';
  const where = statement.line === undefined ? 'in' : `in line ${statement.line}`;
  const place = offset === undefined ? '' : marked(statement, offset);
  return new Error(`${error.message}${detail}, ${where}: ${shortened(statement.text)}${place}`, { cause: error });
}

/** The place that PostgreSQL reports in its error, in characters from 0; undefined if there is none. */
export function offsetOf(error: unknown, text: string): number | undefined {
  const position = error instanceof pg.DatabaseError ? Number(error.position) : Number.NaN;
  if (!(position > 0)) return undefined;
  // PostgreSQL counts characters, JavaScript UTF-16 code units.
  return Array.from(text)
    .slice(0, position - 1)
    .join('').length;
}

/** The line at an offset, with a caret under it. */
function marked({ text, line }: Pick<SourceStatement, 'text'> & Partial<SourceStatement>, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  const column = before.at(-1)?.length ?? 0;
  const whole = text.split('\n')[before.length - 1] ?? '';
  const start = Math.max(0, column - SHOWN / 2);
  const shown = whole.slice(start, start + SHOWN);
  const gutter = line === undefined ? '' : `${line + before.length - 1}`;
  // A tab is kept as it is, so that the caret stands under its column.
  const indent = shown.slice(0, column - start).replace(/[^\t]/g, ' ');
  return `\n  ${gutter} | ${shown}\n  ${' '.repeat(gutter.length)} | ${indent}^`;
}
