import type { ExecutionResult } from 'graphql';
import { type FetchAPI, processRegularResult } from 'graphql-yoga';
import type { PlainType } from './is-plain.ts';

/** The parts of a response. */
export interface ResponseParts {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string;
}

/** Takes what Yoga passes to the constructor of a `Response`. */
class Parts implements ResponseParts {
  readonly status: number;
  readonly headers: ResponseParts['headers'];
  readonly body: string;

  constructor(
    body: string,
    { status, headers }: { readonly status: number; readonly headers: Record<string, string> },
  ) {
    this.status = status;
    this.headers = { ...headers, 'content-length': Buffer.byteLength(body) };
    this.body = body;
  }
}

// Yoga uses nothing else of it for a result in one piece.
const fetchAPI = { Response: Parts } as unknown as FetchAPI;

/** Returns the status, headers and body that Yoga has for the result of an operation. @throws what JSON.stringify throws */
export function responsePartsOf(result: ExecutionResult, type: PlainType): ResponseParts {
  // It is a `Response` of this `fetchAPI`.
  return processRegularResult(result, fetchAPI, type) as unknown as Parts;
}
