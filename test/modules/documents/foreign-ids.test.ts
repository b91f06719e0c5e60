import { expect } from 'vitest';
import { type Prepare, testForeignIds } from '../../support/foreign-ids.ts';
import { table } from './id-cases.ts';

const createUpload = 'createUpload(input: { name: "a", contentType: "text/plain", size: 1 })';

const prepare: Prepare = async (app, other) => {
  const { data, errors } = await app.ask(`mutation { ${createUpload} { file { id } } }`, other.headers);
  expect(errors).toBeUndefined();
  // What this mutation asks for.
  const { file } = (data?.createUpload ?? {}) as { file: { id: string } };
  return { file: file.id };
};

testForeignIds(table, prepare);
