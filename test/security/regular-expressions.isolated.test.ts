import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAst } from 'vitest/node';

// The build in JavaScript: the native ones are not there on every machine.
process.env.RECHECK_BACKEND = 'pure';
const { check } = await import('recheck');

interface Pattern {
  readonly file: string;
  readonly source: string;
  readonly flags: string;
}

/** The regular expressions that are written in a file; a parser tells them from comments and divisions. */
function literalsOf(file: string): Pattern[] {
  return nodesOf(file).flatMap(({ regex }) =>
    isPattern(regex) ? [{ file, source: regex.pattern, flags: regex.flags }] : [],
  );
}

/** Whether a file puts regular expressions together while it runs. */
function makesPatterns(file: string): boolean {
  return nodesOf(file).some(({ callee }) => isNode(callee) && callee.name === 'RegExp');
}

type Node = Readonly<Record<string, unknown>>;

function nodesOf(file: string): Node[] {
  const nodes: Node[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (isNode(value)) {
      nodes.push(value);
      for (const inner of Object.values(value)) visit(inner);
    }
  };
  visit(parseAst(readFileSync(file, 'utf8'), { lang: 'ts' }).body);
  return nodes;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null;
}

function isPattern(value: unknown): value is { readonly pattern: string; readonly flags: string } {
  return isNode(value) && typeof value.pattern === 'string' && typeof value.flags === 'string';
}

/** What is handed to RegExp while a file is loaded and used. */
async function patternsMadeBy(file: string, use: () => Promise<unknown>): Promise<Pattern[]> {
  const made: Pattern[] = [];
  const Original = globalThis.RegExp;
  globalThis.RegExp = new Proxy(Original, {
    construct: (target, [source, flags = '']: [string, string?]) => {
      made.push({ file, source, flags });
      return new target(source, flags);
    },
  });
  try {
    await use();
  } finally {
    globalThis.RegExp = Original;
  }
  return made;
}

async function problemOf({ source, flags }: Pattern): Promise<string | undefined> {
  const result = await check(source, flags, { timeout: 60_000, seedingTimeout: 500, incubationTimeout: 500 });
  if (result.status === 'safe') return undefined;
  return result.status === 'unknown' ? `not known: ${result.error.kind}` : result.complexity.summary;
}

const files = globSync('src/**/*.ts');
/** How each file that makes regular expressions is brought to make them. */
const makers: Readonly<Record<string, () => Promise<unknown>>> = {
  'src/migrator/apply/built-indexes.ts': () => import('../../src/migrator/apply/built-indexes.ts'),
  'src/postgres/sql/split-statements.ts': async () => {
    const { splitStatements } = await import('../../src/postgres/sql/split-statements.ts');
    return splitStatements('SELECT 1');
  },
};

describe('regular expressions', () => {
  const literals = files.flatMap(literalsOf);

  it('are found by this test, those too that are made while the code runs', () => {
    expect(literals.length).toBeGreaterThan(50);
    expect(files.filter(makesPatterns).sort()).toEqual(Object.keys(makers).sort());
  });

  it.each(literals)('take time in proportion to the text: /$source/$flags in $file', async (pattern) => {
    expect(await problemOf(pattern)).toBeUndefined();
  });

  it.each(Object.entries(makers))('those that are put together do too: %s', async (file, use) => {
    const made = await patternsMadeBy(file, use);
    expect(made.length).toBeGreaterThan(0);
    for (const pattern of made) expect([pattern.source, await problemOf(pattern)]).toEqual([pattern.source, undefined]);
  });

  it('that do not are noticed', async () => {
    expect(await problemOf({ file: '', source: ':\\/\\/\\S*@', flags: '' })).toBe('2nd degree polynomial');
  });
});
