import { globSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/** The floors of `src`, from the top down. A file imports from its own floor and from those below it. */
const floors = [
  ['main.ts', 'cli.ts'],
  ['cli/'],
  ['server/'],
  ['modules/'],
  ['platform.ts'],
  ['console/'],
  ['api/'],
  ['installation/'],
  ['monitoring/'],
  ['health/'],
  ['doctor/'],
  ['fleet/'],
  ['archive/'],
  ['transfers/'],
  ['tenants/'],
  ['checkpoints/'],
  ['servers/'],
  ['routing/'],
  ['auth/'],
  ['webhooks/'],
  ['copying/'],
  ['migrator/'],
  ['catalog/'],
  ['constants/'],
  ['orm/'],
  ['postgres/'],
  ['config/'],
  ['telemetry/'],
  ['lib/'],
];

const MAX_LINES = 300;
const MEDIAN_LINES = 100;
const MAX_FILES = 22;
/** One small thing each that knows nothing of Tenantry; more would make a grab-bag of it. */
const MAX_LIB_FILES = 14;

interface Import {
  readonly file: string;
  readonly target: string;
}

const files = globSync('src/**/*.{ts,js}').map((file) => path.relative('src', file));
const textOf = new Map(files.map((file) => [file, readFileSync(path.join('src', file), 'utf8')]));

/** All imports within `src`, those of types and dynamic ones included. */
const imports: readonly Import[] = files.flatMap((file) =>
  [...(textOf.get(file) ?? '').matchAll(/(?:from|import|import\() ?'(\.[^']+)'/g)].map(([, target = '']) => ({
    file,
    target: path.join(path.dirname(file), target),
  })),
);

function floorOf(file: string): number {
  const floor = floors.findIndex((rooms) => rooms.some((room) => file === room || file.startsWith(room)));
  if (floor < 0) throw new Error(`${file} is on no floor. Add its folder to the list in this test.`);
  return floor;
}

describe('imports', () => {
  it('go down only', () => {
    expect(imports.length).toBeGreaterThan(1000);
    expect(imports.filter(({ file, target }) => floorOf(target) < floorOf(file))).toEqual([]);
  });

  it('form no circle, not even of types', () => {
    expect(findCircle(imports)).toBeUndefined();
  });

  it('of modules come from the platform, from packages and from the module itself', () => {
    const foreign = imports.filter(({ file, target }) => {
      const module = /^modules\/[^/]+\//.exec(file)?.[0];
      return module !== undefined && target !== 'platform.ts' && !target.startsWith(module);
    });
    expect(foreign).toEqual([]);
  });

  it('name modules only in modules/index.ts, and modules/index.ts only in the programs', () => {
    const importers = imports.filter(
      ({ file, target }) => target.startsWith('modules/') && !file.startsWith('modules/'),
    );
    expect(importers.map(({ file, target }) => `${file} ${target}`).sort()).toEqual([
      'cli.ts modules/index.ts',
      'main.ts modules/index.ts',
    ]);
    const elsewhere = globSync('{test,bench,scripts}/**/*.ts', {
      exclude: ['test/modules/**', 'test/support/product.ts', 'scripts/print-schema.ts'],
    });
    expect(elsewhere.filter((file) => /from '[./]+src\/modules\//.test(readFileSync(file, 'utf8')))).toEqual([]);
  });

  it('of GraphQL and its builder are those of the API and of modules', () => {
    const users = files.filter((file) => /from '(graphql|graphql-yoga|@pothos\/[^']+)'/.test(textOf.get(file) ?? ''));
    expect(users.filter((file) => !/^(api|server|modules)\//.test(file))).toEqual([]);
  });
});

describe('files', () => {
  it(`have at most ${MAX_LINES} lines, and half of them at most ${MEDIAN_LINES}`, () => {
    const lines = [...textOf].map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }));
    expect(lines.filter((each) => each.lines > MAX_LINES)).toEqual([]);
    const sorted = lines.map((each) => each.lines).toSorted((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(MEDIAN_LINES);
  });

  it(`are at most ${MAX_FILES} in a folder, three in src itself, and few in lib`, () => {
    const folders = [...new Set(files.map((file) => path.dirname(file)))];
    const counts = folders.map((folder) => ({ folder, files: files.filter((file) => path.dirname(file) === folder) }));
    expect(counts.filter(({ files: inside }) => inside.length > MAX_FILES)).toEqual([]);
    expect(files.filter((file) => path.dirname(file) === '.').sort()).toEqual(['cli.ts', 'main.ts', 'platform.ts']);
    expect(files.filter((file) => file.startsWith('lib/')).length).toBeLessThanOrEqual(MAX_LIB_FILES);
  });

  it('that read the environment are in config, but for the one that starts PostgreSQL, which passes on PATH', () => {
    const readers = files.filter((file) => (textOf.get(file) ?? '').includes('process.env'));
    expect(readers.filter((file) => !file.startsWith('config/'))).toEqual(['postgres/embedded/processes.ts']);
  });

  it('of tests are in folders that src has too, or that test/README.md explains', () => {
    const rooms = new Set(floors.flat().map((room) => room.replace('/', '')));
    const explained = readFileSync('test/README.md', 'utf8');
    const folders = readdirSync('test', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const unknown = folders.filter(({ name }) => !rooms.has(name) && !explained.includes(`\`${name}/\``));
    expect(unknown.map(({ name }) => name)).toEqual([]);
  });

  it('are in folders that CONTRIBUTING.md explains', () => {
    const explained = readFileSync('CONTRIBUTING.md', 'utf8');
    const folders = floors.flat().filter((room) => room.endsWith('/'));
    expect(folders.filter((folder) => !explained.includes(`\`${folder}\``))).toEqual([]);
  });

  it('that tests share are listed in test/README.md', () => {
    const listed = readFileSync('test/README.md', 'utf8');
    const shared = readdirSync('test/support', { withFileTypes: true });
    const names = shared.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
    expect(names.filter((name) => !listed.includes(`\`${name}\``))).toEqual([]);
  });
});

/** The files of one circle of imports, if there is any. */
function findCircle(all: readonly Import[]): readonly string[] | undefined {
  const targets = Map.groupBy(all, ({ file }) => file);
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const { target } of targets.get(file) ?? []) {
      const circle = visit(target, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of targets.keys()) {
    const circle = visit(file, []);
    if (circle) return circle;
  }
  return undefined;
}
