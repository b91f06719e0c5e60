import type { Plugin } from 'graphql-yoga';
import { tooMuch } from '../errors.ts';
import { checkItems, checkText, type InputLimits, type InputPath } from '../limits/input-limits.ts';

/** What a request may hold. */
export interface RequestLimits {
  /** Of the document, in bytes of UTF-8. */
  readonly maxDocumentBytes: number;
  /** Of every text and list in the variables: the largest limits that any argument has. */
  readonly largest: InputLimits;
}

/** How deep variables may nest; GraphQL itself goes through them by recursion. */
const MAX_VARIABLE_DEPTH = 20;

/**
 * Refuses requests whose document or variables are too large before GraphQL sees them, whichever way they came. It does not
 * know which variable is for which argument; the arguments' own limits are checked when they are used.
 */
export function limitRequests({ maxDocumentBytes, largest }: RequestLimits): Plugin {
  return {
    // A body can be any JSON, whatever the types say: Yoga refuses what is no request after this.
    onParams({ params }: { readonly params: Params | undefined }) {
      const { query, variables, operationName } = params ?? {};
      if (typeof query === 'string') checkDocument(query, maxDocumentBytes);
      if (typeof operationName === 'string') checkText(['operationName'], operationName, MAX_NAME);
      checkVariables([], variables, largest, MAX_VARIABLE_DEPTH);
    },
  };
}

type Params = Partial<Record<'query' | 'variables' | 'operationName', unknown>>;

/** Of the name of an operation, which the log repeats. */
const MAX_NAME = 200;

function checkDocument(text: string, max: number): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= max) return;
  throw tooMuch(
    `The document has ${bytes} bytes, and ${max} is the limit. Send values in variables, or ask in several requests.`,
  );
}

function checkVariables(path: InputPath, value: unknown, limits: InputLimits, depth: number): void {
  if (typeof value === 'string') checkText(path, value, limits.maxLength);
  if (typeof value !== 'object' || value === null) return;
  if (depth === 0) throw tooMuch(`The variables have more than ${MAX_VARIABLE_DEPTH} levels. Send them less nested.`);
  if (Array.isArray(value)) checkItems(path, value, limits.maxItems);
  for (const [key, inner] of Object.entries(value)) checkVariables([...path, key], inner, limits, depth - 1);
}
