import type { Node, ParseResult } from 'libpg-query';
import { factsOf, type StatementFacts } from './statement-facts.ts';

/** One SQL statement, without its semicolon. */
export interface Statement extends StatementFacts {
  readonly text: string;
  /**
   * False if the parser doesn't know this syntax. The text then goes to the server as one statement, which the server
   * enforces in the extended protocol, and the server judges it.
   */
  readonly isParsed: boolean;
}

/** Returns the statements of a text. Text that consists only of comments has none. */
export type StatementParser = (sql: string) => readonly Statement[];

let loading: Promise<StatementParser> | undefined;

/**
 * Loads PostgreSQL's own parser, once per process. It is WebAssembly and takes 100 ms, so nothing loads it before there
 * is SQL to parse.
 * @see https://github.com/pganalyze/libpg_query
 */
export function loadStatementParser(): Promise<StatementParser> {
  loading ??= load();
  return loading;
}

async function load(): Promise<StatementParser> {
  const library = await import('libpg-query');
  await library.loadModule();
  return (sql) => statementsOf(sql, library);
}

/** Splits SQL into statements; see {@link StatementParser}. */
export async function splitStatements(sql: string): Promise<string[]> {
  const parse = await loadStatementParser();
  return parse(sql).map(({ text }) => text);
}

interface Library {
  readonly parseSync: (sql: string) => ParseResult;
  readonly scanSync: (sql: string) => { readonly tokens: readonly Token[] };
}

interface Token {
  /** In bytes, as all positions of the library. */
  readonly start: number;
  readonly end: number;
  readonly tokenName: string;
}

interface RawStatement {
  readonly stmt?: Node;
  readonly stmt_location?: number;
  readonly stmt_len?: number;
}

function statementsOf(sql: string, library: Library): readonly Statement[] {
  if (sql.trim() === '') return [];
  const parsed = parse(sql, library);
  if (!parsed) return [{ text: sql.trim(), isParsed: false, ...factsOf(undefined) }];
  const bytes = Buffer.from(sql);
  const tokens = parsed.tokens.filter(({ tokenName }) => !comments.has(tokenName));
  let next = 0;
  return parsed.statements.map(({ stmt, stmt_location: start = 0, stmt_len: length = bytes.length - start }) => {
    // A statement's range starts with the comments before it, or with the semicolons of empty statements.
    while (isBefore(tokens[next], start)) next += 1;
    const first = tokens[next]?.start ?? start;
    while (isBefore(tokens[next + 1], start + length)) next += 1;
    const end = tokens[next]?.end ?? start + length;
    return { text: bytes.toString('utf8', first, end), isParsed: true, ...factsOf(stmt) };
  });
}

const comments: ReadonlySet<string> = new Set(['SQL_COMMENT', 'C_COMMENT']);

function isBefore(token: Token | undefined, position: number): boolean {
  return token !== undefined && token.start < position;
}

/** Returns undefined if the library doesn't know the syntax. It throws in every such case. */
function parse(sql: string, { parseSync, scanSync }: Library) {
  // For the library, a zero byte would be the end of the text.
  if (sql.includes('\0')) return undefined;
  try {
    const statements: readonly RawStatement[] = parseSync(sql).stmts ?? [];
    return { statements, tokens: scanSync(sql).tokens };
  } catch {
    return undefined;
  }
}
