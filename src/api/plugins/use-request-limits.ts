import type { Plugin } from 'graphql-yoga';
import { tooMuch } from '../errors.ts';
import { checkItems, checkText, type InputLimits, type InputPath } from '../limits/input-limits.ts';

/** The size limits of a request. */
export interface RequestLimits {
  /** The maximum size of the document, in bytes of UTF-8. */
  readonly maxDocumentBytes: number;
  /** The limits of every string and list in the variables: the largest of any argument. */
  readonly largest: InputLimits;
}

/** The maximum nesting depth of variables; GraphQL processes them recursively. */
const MAX_VARIABLE_DEPTH = 20;

/**
 * Refuses requests with a document or variables that are too large before GraphQL processes them, however they were
 * sent. It does not know which variable is for which argument; the limits of each argument are checked when it is used.
 */
export function limitRequests({ maxDocumentBytes, largest }: RequestLimits): Plugin {
  return {
    // Despite the types, a body can be any JSON: Yoga rejects invalid requests only after this.
    onParams({ params }: { readonly params: Params | undefined }) {
      const { query, variables, extensions, operationName } = params ?? {};
      if (typeof query === 'string') checkDocument(query, maxDocumentBytes);
      if (typeof operationName === 'string') checkText(['operationName'], operationName, MAX_NAME);
      checkValue([], variables, largest, MAX_VARIABLE_DEPTH);
      checkValue(['extensions'], extensions, largest, MAX_VARIABLE_DEPTH);
    },
  };
}

type Params = Partial<Record<'query' | 'variables' | 'extensions' | 'operationName', unknown>>;

/** The maximum length of an operation's name, which is logged. */
const MAX_NAME = 200;

function checkDocument(text: string, max: number): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= max) return;
  throw tooMuch(
    `The document has ${bytes} bytes; the limit is ${max}. Pass values in variables, or split it into several requests.`,
  );
}

function checkValue(path: InputPath, value: unknown, limits: InputLimits, depth: number): void {
  if (typeof value === 'string') checkText(path, value, limits.maxLength);
  if (typeof value !== 'object' || value === null) return;
  if (depth === 0) throw tooMuch(`The variables are nested more than ${MAX_VARIABLE_DEPTH} levels deep.`);
  if (Array.isArray(value)) checkItems(path, value, limits.maxItems);
  for (const key of Object.keys(value)) checkValue([...path, key], Reflect.get(value, key), limits, depth - 1);
}
