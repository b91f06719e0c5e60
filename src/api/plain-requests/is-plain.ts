import type { IncomingMessage } from 'node:http';

/** A request whose response has this content type. */
export type PlainType = 'application/json' | 'application/graphql-response+json';

/**
 * Returns the content type of the response if a request is plain: JSON in, JSON out, in one piece each, with nothing
 * else to consider. Every other request, including every one that must be refused, is not.
 * @param hasCors whether some origins may read responses, which then depend on the header origin
 */
export function plainTypeOf(
  { method, url, headers }: IncomingMessage,
  maxBodyBytes: number,
  hasCors: boolean,
): PlainType | undefined {
  if (method !== 'POST' || url !== '/graphql') return undefined;
  const length = headers['content-length'];
  if (length === undefined || Number(length) > maxBodyBytes) return undefined;
  if (headers['content-encoding'] !== undefined || (hasCors && headers.origin !== undefined)) return undefined;
  return isJson(headers['content-type']) ? responseType(headers.accept) : undefined;
}

function isJson(contentType: string | undefined): boolean {
  return contentType === 'application/json' || contentType === 'application/json; charset=utf-8';
}

/** The first type that the client accepts, as Yoga chooses it too; undefined if the header is unusual. */
function responseType(accept = '*/*'): PlainType | undefined {
  if (accept === '*/*' || accept === 'application/json') return 'application/json';
  const [first, ...others] = accept.split(',').map((part) => plainTypes.get(part.trim()));
  return others.includes(undefined) ? undefined : first;
}

const plainTypes: ReadonlyMap<string, PlainType> = new Map([
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['application/json; charset=utf-8', 'application/json'],
  ['application/json;q=0.9', 'application/json'],
  ['application/graphql-response+json', 'application/graphql-response+json'],
  ['application/graphql-response+json; charset=utf-8', 'application/graphql-response+json'],
]);
