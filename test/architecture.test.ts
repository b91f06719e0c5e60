import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

/** From the bottom up: a file imports its own layer and those below it. A file belongs to the last layer that fits. */
const layers: readonly RegExp[] = [
  /^(elapsed|errors|is-uuid|make-folder|time-limit|valid-input|read-or-create-file|secret-box|setting-readers|token-settings|settings|token-config|config|environment|misspelt-settings|usable-config|signals)\.ts$/,
  /^postgres\//,
  /^(catalog|constants)\//,
  /^events\//,
  /^accounts\//,
  /^tenancy\//,
  /^migrator\//,
  /^provisioning\//,
  /^health\//,
  /^services\.ts$/,
  /^graphql\//,
  // What the API and the command line do alike.
  /^migrator\/(accept-changed-file|folder-of|read-history|tenant-attention)\.ts$/,
  /^[a-z]+\/([a-z]+-)?schema\.ts$/,
  /^modules\//,
  /^graphql\/schema\.ts$/,
  /^(app|first-server|front-door|migration-lines|recovery|serve|start-failure)\.ts$/,
  /^cli\//,
  /^(main|cli)\.ts$/,
];

const imports = globSync('src/**/*.ts').flatMap((file) => {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import) '(\.[^']+)'/g)].map(([, target = '']) => ({
    file: path.relative('src', file),
    target: path.relative('src', path.join(path.dirname(file), target)),
  }));
});

const layerOf = (file: string) => {
  const layer = layers.findLastIndex((files) => files.test(file));
  if (layer < 0) throw new Error(`${file} belongs to no layer; say in this test to which`);
  return layer;
};

it('imports go down only', () => {
  expect(imports.length).toBeGreaterThan(100);
  const upwards = imports.filter(({ file, target }) => layerOf(target) > layerOf(file));
  expect(upwards).toEqual([]);
});

it('modules import the builder, the connections, the pages of lists, the errors, isUuid and themselves, and know of no tenants', () => {
  const allowed = /^(graphql\/(builder|connection|list-page)|errors|is-uuid)\.ts$/;
  const foreign = imports.filter(({ file, target }) => {
    const module = /^modules\/[^/]+\//.exec(file)?.[0];
    return module !== undefined && !target.startsWith(module) && !allowed.test(target);
  });
  expect(foreign).toEqual([]);
});

it('tests know modules only where those are tested, and nothing else outside src knows any', () => {
  const files = globSync('{test,bench,scripts}/**/*.ts', { exclude: ['test/modules/**'] });
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => /from '[./]+src\/modules\//.test(readFileSync(file, 'utf8')))).toEqual([]);
});

it('only the composition and the API as a whole import modules', () => {
  const importers = imports.filter(({ file, target }) => target.startsWith('modules/') && !file.startsWith('modules/'));
  expect(importers.map(({ file }) => file).sort()).toEqual(['app.ts', 'graphql/schema.ts', 'migration-lines.ts']);
});
