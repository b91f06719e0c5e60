import type { GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { errorCodes } from '../../lib/errors.ts';
import { currentRequest } from '../../telemetry/request-record.ts';
import { isTracing, recordSpan, SpanKind } from '../../telemetry/tracing.ts';
import { currentRequestId, handleRequest, type Observers } from '../request-log.ts';

const ownCodes: ReadonlySet<unknown> = new Set(Object.keys(errorCodes));

/**
 * Handles each request as {@link handleRequest} does, notes the outcome of its operation, and returns its id in the response
 * header `x-request-id`.
 */
export function useRequests(observers: Observers): Plugin {
  return {
    instrumentation: {
      request: ({ request }, handle) => {
        const span = request.url.includes('/graphql') ? 'request' : undefined;
        return handleRequest(observers, { headers: request.headers, span }, async () => handle());
      },
      resultProcess: (_payload, process) => (isTracing() ? timed(process) : process()),
    },
    onExecutionResult({ result }) {
      const request = currentRequest();
      if (request && result && !isAsyncIterable(result)) request.code = codeOf(result.errors?.[0]);
    },
    onResponse({ response }) {
      response.headers.set('x-request-id', currentRequestId());
    },
  };
}

/** GraphQL and Yoga have other codes for errors in the request; clients see ours. */
function codeOf(error: GraphQLError | undefined): string | undefined {
  if (!error) return undefined;
  const { code } = error.extensions;
  return ownCodes.has(code) ? String(code) : 'BAD_USER_INPUT';
}

async function timed(work: () => unknown): Promise<void> {
  const startMs = performance.now();
  await work();
  recordResponse(startMs);
}

/** Records the making of the response, from `startMs` on, in the request's trace. */
export function recordResponse(startMs: number): void {
  const times = { startMs, endMs: performance.now() };
  recordSpan('response', times, { kind: SpanKind.INTERNAL, attributes: () => ({}) });
}
