import { readFile } from 'node:fs/promises';
import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { settings } from '../../src/config/settings.ts';
import { consoleDocuments } from '../../src/console/console-documents.ts';

describe('the operations of the console', async () => {
  const schema = buildSchema(await readFile('schema.graphql', 'utf8'));
  const documents = await consoleDocuments();

  it.each([...documents])('%s is valid', (_id, text) => {
    expect(validate(schema, parse(text))).toEqual([]);
    expect(Buffer.byteLength(text)).toBeLessThan(Number(settings.MAX_DOCUMENT_BYTES.default));
  });

  it('have ids of their own', () => {
    expect(documents.size).toBeGreaterThan(20);
    for (const id of documents.keys()) expect(id).toMatch(/^console:[a-zA-Z]+$/);
  });
});
