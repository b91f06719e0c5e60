import { setFlagsFromString } from 'node:v8';
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

/** A statement where it was found. */
export interface ParsedStatement extends Statement {
  /** Where it starts in the text, in UTF-16 code units. */
  readonly start: number;
  /** PostgreSQL's parse tree, which may take much memory; undefined if the parser doesn't know the syntax. */
  readonly tree: Node | undefined;
  /** Its comments of the form `--`, and those between it and the statement before. */
  readonly comments: readonly string[];
}

/** Returns the statements of a text. Text that consists only of comments has none. */
export type StatementParser = (sql: string) => readonly ParsedStatement[];

let loading: Promise<StatementParser> | undefined;

/**
 * Loads PostgreSQL's own parser, once per process. It is WebAssembly and takes 30 ms, so nothing loads it before there
 * are migrations to read or SQL to parse.
 * @see https://github.com/pganalyze/libpg_query
 */
export function loadStatementParser(): Promise<StatementParser> {
  loading ??= load();
  return loading;
}

async function load(): Promise<StatementParser> {
  const library = await import('libpg-query');
  // V8 would compile the grammar, one huge function, again with its optimizing compiler after some twenty statements.
  // That takes four seconds of CPU time in the background, and saves 0.1 ms a statement.
  setFlagsFromString('--no-wasm-tier-up');
  setFlagsFromString('--no-wasm-dynamic-tiering');
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
  readonly text: string;
  readonly tokenName: string;
}

interface RawStatement {
  readonly stmt?: Node;
  readonly stmt_location?: number;
  readonly stmt_len?: number;
}

function statementsOf(sql: string, library: Library): readonly ParsedStatement[] {
  if (sql.trim() === '') return [];
  const text = sql.toWellFormed();
  const parsed = parse(text, library);
  if (!parsed) return [unparsed(text, library)];
  const bytes = Buffer.from(text);
  const tokens = parsed.tokens.filter(isNoComment);
  const comments = parsed.tokens.filter(({ tokenName }) => tokenName === 'SQL_COMMENT');
  let comment = 0;
  let next = 0;
  let byte = 0;
  let start = 0;
  return parsed.statements.map(({ stmt: tree, stmt_location: from = 0, stmt_len: length = bytes.length - from }) => {
    // A statement's range starts with the comments before it, or with the semicolons of empty statements.
    while (isBefore(tokens[next], from)) next += 1;
    const first = tokens[next]?.start ?? from;
    while (isBefore(tokens[next + 1], from + length)) next += 1;
    const end = tokens[next]?.end ?? from + length;
    start += bytes.toString('utf8', byte, first).length;
    byte = first;
    const firstComment = comment;
    while (isBefore(comments[comment], end)) comment += 1;
    return {
      text: bytes.toString('utf8', first, end),
      start,
      isParsed: true,
      tree,
      comments: comments
        .slice(firstComment, comment)
        .map(({ start: from, end: to }) => bytes.toString('utf8', from, to)),
      ...factsOf(tree),
    };
  });
}

function unparsed(sql: string, library: Library): ParsedStatement {
  const text = sql.trim();
  return {
    text,
    start: sql.indexOf(text),
    isParsed: false,
    tree: undefined,
    comments: [],
    ...factsOf(undefined),
    endsTransaction: beginsLikeTransactionCommand(text, library),
    isConcurrent: /\bconcurrently\b/i.test(text),
  };
}

/** The parser may be older than the server, so a transaction command with options that it doesn't know is one as well. */
function beginsLikeTransactionCommand(sql: string, { scanSync }: Library): boolean {
  try {
    const tokens = scanSync(sql.replaceAll('\0', ' ')).tokens.filter(isNoComment);
    const words = tokens.map(({ text }) => text.toLowerCase());
    // The server ignores empty statements.
    const [first = '', second] = words.filter((word) => word !== ';');
    return transactionWords.has(first) || (first === 'prepare' && second === 'transaction');
  } catch {
    return false;
  }
}

const transactionWords: ReadonlySet<string> = new Set(['begin', 'start', 'commit', 'end', 'abort', 'rollback']);

const comments: ReadonlySet<string> = new Set(['SQL_COMMENT', 'C_COMMENT']);

function isNoComment({ tokenName }: Token): boolean {
  return !comments.has(tokenName);
}

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
