/** Comments, quoted texts and names, words, white space, and any other character. */
const token = [
  /(?<line>--[^\n]*)/,
  /(?<block>\/\*)/,
  // An unterminated quote extends to the end, as in PostgreSQL, which then rejects it.
  /e'(?:[^'\\]|\\.|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)/,
  /(?<dollar>\$(?:[a-z_\x80-\uffff][\w\x80-\uffff]*)?\$)/,
  /(?<word>[a-z_\x80-\uffff][\w$\x80-\uffff]*)/,
  /(?<space>\s+)/,
  /(?<other>.)/,
];

interface Statement {
  readonly text: string;
  /** The first words in lower case, separated by spaces. */
  readonly opening: string;
}

/**
 * Splits SQL into statements as PostgreSQL does. It ignores semicolons in comments, quoted texts and names, parentheses and
 * the bodies of SQL-standard functions. Text that consists only of comments is not a statement.
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 */
export function splitStatements(sql: string): string[] {
  return scan(sql).map(({ text }) => text);
}

/**
 * Returns the first statement that begins or ends a transaction, such as `COMMIT`, or undefined if there is none. Savepoint
 * commands do not count.
 * @see https://www.postgresql.org/docs/current/sql-commands.html
 */
export function findTransactionCommand(sql: string): string | undefined {
  return scan(sql).find(
    ({ opening }) =>
      /^(begin|commit|end|abort|rollback|start transaction|prepare transaction)\b/.test(opening) &&
      !/^rollback( work| transaction)? to\b/.test(opening),
  )?.text;
}

function scan(sql: string): Statement[] {
  const statements: Statement[] = [];
  let words: string[] = [];
  let start = -1;
  let end = 0;
  let parentheses = 0;
  let body = 0;
  const finish = () => {
    if (start >= 0) statements.push({ text: sql.slice(start, end), opening: words.join(' ') });
    words = [];
    start = -1;
    parentheses = 0;
    body = 0;
  };
  const tokens = new RegExp(token.map(({ source }) => source).join('|'), 'gis');
  for (let match = tokens.exec(sql); match; match = tokens.exec(sql)) {
    const { line, block, dollar, space, word, other } = match.groups ?? {};
    if (block) tokens.lastIndex = endOfComment(sql, match.index);
    if (dollar) tokens.lastIndex = endOfQuote(sql, dollar, tokens.lastIndex);
    if (line || block || space) continue;
    if (other === ';' && parentheses === 0 && body === 0) {
      finish();
      continue;
    }
    if (start < 0) start = match.index;
    end = tokens.lastIndex;
    if (other === '(') parentheses += 1;
    if (other === ')') parentheses = Math.max(0, parentheses - 1);
    if (word) {
      body = bodyDepth(body, words, word.toLowerCase());
      if (words.length < 4) words.push(word.toLowerCase());
    }
  }
  finish();
  return statements;
}

/** The body of an SQL-standard function is BEGIN ATOMIC … END; its statements may contain CASE … END. */
function bodyDepth(depth: number, opening: readonly string[], word: string): number {
  if (!/^create (or replace )?(function|procedure)\b/.test(opening.join(' '))) return 0;
  if (word === 'begin' || (word === 'case' && depth > 0)) return depth + 1;
  return word === 'end' && depth > 0 ? depth - 1 : depth;
}

/** Returns the end of a dollar-quoted text. An unterminated one extends to the end. */
function endOfQuote(sql: string, tag: string, start: number): number {
  const end = sql.indexOf(tag, start);
  return end < 0 ? sql.length : end + tag.length;
}

/** Unlike in C, comments nest in PostgreSQL. */
function endOfComment(sql: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(sql); mark; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}
