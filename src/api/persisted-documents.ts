import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type GraphQLSchema, parse, validate } from 'graphql';
import { messageOf } from '../lib/errors.ts';

/** GraphQL documents by their ids, such as the SHA-256 hashes that a client's build writes. */
export type PersistedDocuments = ReadonlyMap<string, string>;

/**
 * Reads persisted documents.
 * @param file a JSON file that maps ids to documents, as GraphQL Code Generator and the Relay compiler write it, or a folder of
 *   such files and of `.graphql` files, whose names are the ids
 * @throws {Error} if something cannot be read, naming the file
 */
export async function readPersistedDocuments(file: string): Promise<PersistedDocuments> {
  const files = (await stat(file)).isDirectory()
    ? (await readdir(file)).toSorted().map((name) => path.join(file, name))
    : [file];
  const documents = new Map<string, string>();
  for (const each of files) {
    for (const [id, text] of await readFileOfDocuments(each)) documents.set(id, text);
  }
  return documents;
}

async function readFileOfDocuments(file: string): Promise<readonly (readonly [string, string])[]> {
  const { name, ext } = path.parse(file);
  if (ext === '.graphql' || ext === '.gql') return [[name, await readFile(file, 'utf8')]];
  if (ext !== '.json') return [];
  const value = parseJson(await readFile(file, 'utf8'), file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notDocuments(file);
  return Object.entries(value).map(([id, text]: [string, unknown]) => {
    if (typeof text !== 'string') throw notDocuments(file);
    return [id, text] as const;
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${file} is not JSON: ${messageOf(cause)}`, { cause });
  }
}

function notDocuments(file: string): Error {
  return new Error(`${file} must be a JSON object that maps ids to GraphQL documents`);
}

/** Returns a message for each document that the schema does not allow, for example because a field has been removed. */
export function invalidDocuments(documents: PersistedDocuments, schema: GraphQLSchema): string[] {
  return [...documents].flatMap(([id, text]) => {
    const problem = problemOf(text, schema);
    return problem === undefined ? [] : [`the persisted document ${id} is invalid: ${problem}`];
  });
}

function problemOf(text: string, schema: GraphQLSchema): string | undefined {
  try {
    return validate(schema, parse(text))[0]?.message;
  } catch (error) {
    return messageOf(error);
  }
}
