import { foreignObjectIn } from './foreign-objects.ts';

/** Loads PostgreSQL's own parser, which is WebAssembly, once per process. */
const loadParser = async () => {
  const { loadModule, parseSync } = await import('libpg-query');
  await loadModule();
  return parseSync;
};

let loading: ReturnType<typeof loadParser> | undefined;

/**
 * Why a tenant's migration cannot be applied, as the end of a sentence that starts with its name: a statement would create,
 * change or use something outside the tenant's schema. Undefined if none does. Text that the parser doesn't know is left to the
 * server, and so is what DO blocks and functions execute.
 */
export async function foreignObstacle(texts: readonly string[]): Promise<string | undefined> {
  if (texts.length === 0) return undefined;
  loading ??= loadParser();
  const parse = await loading;
  for (const text of texts) {
    for (const { stmt, stmt_location: start = 0, stmt_len: length } of statementsOf(parse, text)) {
      const reason = stmt && foreignObjectIn({ ...stmt });
      if (reason === undefined) continue;
      // The parser counts bytes.
      const statement = Buffer.from(text).toString('utf8', start, length === undefined ? undefined : start + length);
      return `would leave the tenant's schema (${shortened(statement)}). ${reason}.`;
    }
  }
  return undefined;
}

function statementsOf(parse: Awaited<ReturnType<typeof loadParser>>, text: string) {
  try {
    return parse(text).stmts ?? [];
  } catch {
    return [];
  }
}

function shortened(statement: string): string {
  const line = statement.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
