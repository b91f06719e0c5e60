import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { preset } from '@graphql-codegen/client-preset';
import { codegen } from '@graphql-codegen/core';
import { buildSchema, parse } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import config from '../../docs/clients/codegen.ts';
import { invalidDocuments, readPersistedDocuments } from '../../src/api/persisted-documents.ts';

const client = `import { graphql } from './gql/index.js';
export const run = graphql(\`query Run($id: ID!) { migrationRun(id: $id) { id status createdAt } }\`);
export const progress = graphql(\`subscription Progress($run: ID!) { migrationProgress(run: $run) { kind } }\`);
`;
const use = `import type { ResultOf } from '@graphql-typed-document-node/core';
import type { run, progress } from './documents.js';
export const kind: NonNullable<ResultOf<typeof progress>['migrationProgress']>['kind'] = 'RUN_ENDED';
export const at: string | undefined = ({} as ResultOf<typeof run>).migrationRun?.createdAt;
// @ts-expect-error: the server has no such kind.
export const wrong: NonNullable<ResultOf<typeof progress>['migrationProgress']>['kind'] = 'RUN_LOST';
`;

let folder: string;
beforeAll(async () => {
  // In the checkout, so that what is generated finds its packages.
  folder = await mkdtemp(path.resolve('artifacts-codegen-'));
  await mkdir(path.join(folder, 'src'));
  await writeFile(path.join(folder, 'src/documents.ts'), client);
  await writeFile(path.join(folder, 'src/use.ts'), use);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Does what `graphql-codegen` does with the configuration. Its command line would be two hundred packages more. */
async function generate(schema: string): Promise<void> {
  const [[output, { presetConfig, config: options }]] = Object.entries(config.generates) as [
    [string, (typeof config.generates)['src/gql/']],
  ];
  const documents = [...client.matchAll(/`([^`]+)`/g)].map(([, text = '']) => ({
    location: path.join(folder, 'src/documents.ts'),
    document: parse(text),
    rawSDL: text,
  }));
  const files = await preset.buildGeneratesSection({
    baseOutputDir: output,
    schema: parse(schema),
    schemaAst: buildSchema(schema),
    documents,
    config: options,
    presetConfig,
    plugins: [],
    pluginMap: {},
    documentTransforms: [],
  });
  for (const file of files) {
    const name = path.join(folder, file.filename);
    await mkdir(path.dirname(name), { recursive: true });
    await writeFile(name, await codegen(file));
  }
}

it('the configuration for GraphQL Code Generator makes types that fit, and documents that the server can run', async () => {
  await generate(await readFile('schema.graphql', 'utf8'));
  expect(await readdir(path.join(folder, 'src/gql'))).toContain('persisted-documents.json');
  const documents = await readPersistedDocuments(path.join(folder, 'src/gql/persisted-documents.json'));
  expect(documents.size).toBe(2);
  expect(invalidDocuments(documents, buildSchema(await readFile('schema.graphql', 'utf8')))).toEqual([]);
  const options = {
    compilerOptions: { strict: true, noEmit: true, module: 'esnext', moduleResolution: 'bundler', skipLibCheck: true },
    include: ['src'],
  };
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(options));
  const types = await promisify(execFile)('node_modules/.bin/tsc', ['-p', folder]).catch((error) => error);
  expect(types.stdout).toBe('');
});
