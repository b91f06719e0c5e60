import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { generate } from '@graphql-codegen/cli';
import { buildSchema } from 'graphql';
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
  await cp('schema.graphql', path.join(folder, 'schema.graphql'));
  await writeFile(path.join(folder, 'src/documents.ts'), client);
  await writeFile(path.join(folder, 'src/use.ts'), use);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('the configuration for GraphQL Code Generator makes types that fit, and documents that the server can run', async () => {
  await generate({ ...config, cwd: folder, silent: true, errorsOnly: true });
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
