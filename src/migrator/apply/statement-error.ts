import pg from 'pg';
import { sqlState } from '../../postgres/sql/error-codes.ts';
import { shortened } from '../files/obstacles.ts';
import type { SourceStatement } from '../files/source-statements.ts';

/** How many characters of a line are shown before and after the position of an error. */
const AROUND = 60;

/** PostgreSQL's error about a statement of a migration. */
export class StatementError extends Error {
  override readonly name = 'StatementError';
  /** The text of the statement. */
  readonly statement: string;

  constructor(message: string, statement: string, cause: pg.DatabaseError) {
    super(message, { cause });
    this.statement = statement;
  }
}

/** Adds to PostgreSQL's error which statement failed, and where in it. Other errors stay as they are. */
export function statementError(error: unknown, statement: SourceStatement | undefined): unknown {
  if (!(error instanceof pg.DatabaseError) || statement === undefined) return error;
  const detail = error.detail ? ` (${error.detail})` : '';
  const where = statement.line === undefined ? 'in' : `in line ${statement.line}`;
  return new StatementError(
    `${error.message}${detail}${wayOut(error, statement)}, ${where}: ${shortened(statement.text)}${excerpt(error, statement)}`,
    statement.text,
    error,
  );
}

function wayOut({ code, message }: pg.DatabaseError, { isParsed }: SourceStatement): string {
  if (!isParsed && code === sqlState.syntaxError && message.includes('multiple commands')) {
    return '. Tenantry cannot split this text, because its parser does not know the syntax. Pass each statement to an addSql() of its own';
  }
  if (code === sqlState.unsafeNewEnumValueUsage) {
    return '. Move ALTER TYPE … ADD VALUE into a migration of its own, before this one';
  }
  return '';
}

/** The line that has the error, and a caret under PostgreSQL's position, as psql shows them. */
function excerpt({ position }: pg.DatabaseError, { text, line = 1 }: SourceStatement): string {
  if (position === undefined) return '';
  // PostgreSQL counts characters, JavaScript UTF-16 code units.
  const characters = [...text];
  const at = Math.min(Number(position), characters.length + 1) - 1;
  const before = characters.slice(0, at).join('').split('\n');
  const after = characters.slice(at).join('').split('\n', 1)[0] ?? '';
  const left = [...(before.at(-1) ?? '')];
  const start = left.length > AROUND ? `…${left.slice(-AROUND).join('')}` : left.join('');
  const end = [...after].length > AROUND ? `${[...after].slice(0, AROUND).join('')}…` : after;
  const head = `LINE ${line + before.length - 1}: `;
  const caret = `${head}${start}`.replace(/[^\t]/g, ' ');
  return `\n${head}${start}${end}\n${caret}^`;
}
