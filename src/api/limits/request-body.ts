import { GraphQLError } from 'graphql';
import { parseRequestJson } from './json-values.ts';

/**
 * Reads the body of a request as text.
 * @throws {GraphQLError} BAD_USER_INPUT, as soon as it has more than `maxBytes`
 */
export async function readBody({ headers, body }: Request, maxBytes: number): Promise<string> {
  if (Number(headers.get('content-length')) > maxBytes) throw bodyTooLarge(maxBytes);
  if (!body) return '';
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    bytes += next.value.byteLength;
    // The rest is not cancelled, because that would close the connection before the response is sent.
    if (bytes > maxBytes) throw bodyTooLarge(maxBytes);
    chunks.push(next.value);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function bodyTooLarge(maxBytes: number): GraphQLError {
  return new GraphQLError(`The body of the request is too large; the limit is ${maxBytes} bytes.`, {
    extensions: { http: { status: 413 } },
  });
}

/**
 * Parses the body of a request. Members that GraphQL over HTTP does not know are left out, because clients such as
 * Apollo Client add some.
 * @throws {GraphQLError} BAD_USER_INPUT if it has too many values
 * @throws {SyntaxError}
 */
export function parseBody(json: string): unknown {
  const body = parseRequestJson(json);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const known = Object.fromEntries(Object.entries(body).filter(([name]) => members.includes(name)));
  const id: unknown = Reflect.get(body, 'documentId');
  if (typeof id !== 'string' || known.query !== undefined) return known;
  const others = typeof known.extensions === 'object' ? known.extensions : {};
  return { ...known, extensions: { ...others, ...persistedQuery(id) } };
}

/** What Apollo Client sends instead of `documentId`, which Relay and others send. */
function persistedQuery(sha256Hash: string) {
  return { persistedQuery: { version: 1, sha256Hash } };
}

/** @see https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters */
const members = ['query', 'operationName', 'variables', 'extensions'];
