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

async function problemOf({ source, flags }: Pattern): Promise<string | undefined> {
  const result = await check(source, flags, { timeout: 60_000, seedingTimeout: 500, incubationTimeout: 500 });
  if (result.status === 'safe') return undefined;
  return result.status === 'unknown' ? `not known: ${result.error.kind}` : result.complexity.summary;
}

const files = globSync('src/**/*.ts');
describe('regular expressions', () => {
  const literals = files.flatMap(literalsOf);

  it('are found by this test: none is made while the code runs', () => {
    expect(literals.length).toBeGreaterThan(50);
    expect(files.filter(makesPatterns)).toEqual([]);
  });

  it.each(literals)('take time in proportion to the text: /$source/$flags in $file', async (pattern) => {
    expect(await problemOf(pattern)).toBeUndefined();
  });

  it('that do not are noticed', async () => {
    expect(await problemOf({ file: '', source: ':\\/\\/\\S*@', flags: '' })).toBe('2nd degree polynomial');
  });
});
