import type { ExecutionResult } from 'graphql';
import { type FetchAPI, isAsyncIterable, type Plugin } from 'graphql-yoga';
import { withoutHttp } from '../errors.ts';

/** How often a part without content shows that the connection is alive, in milliseconds. */
const HEARTBEAT_MS = 12_000;

/**
 * Sends the events of a subscription as the parts of a multipart response to clients that ask for it, such as Apollo Client's
 * `HttpLink`. Yoga's own multipart responses are for incremental delivery, whose parts have another format.
 * @see https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
 */
export function useMultipartSubscriptions(): Plugin {
  return {
    onResultProcess({ request, result, setResultProcessor }) {
      if (!isAsyncIterable(result) || !acceptsMultipart(request)) return;
      setResultProcessor((_result, fetchAPI) => respond(result, fetchAPI), 'multipart/mixed');
    },
  };
}

function acceptsMultipart({ headers }: Request): boolean {
  const types = (headers.get('accept') ?? '').toLowerCase().split(',');
  return types.some((type) => type.trimStart().startsWith('multipart/mixed') && type.includes('subscriptionspec='));
}

function withoutHttpErrors(result: ExecutionResult): ExecutionResult {
  return result.errors ? { ...result, errors: result.errors.map(withoutHttp) } : result;
}

function respond(events: AsyncIterable<ExecutionResult>, { ReadableStream, Response, TextEncoder }: FetchAPI) {
  const iterator = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const part = (content: object) =>
    encoder.encode(`\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(content)}\r\n--graphql`);
  let heartbeat: NodeJS.Timeout;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode('--graphql'));
      heartbeat = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(part({}));
      }, HEARTBEAT_MS);
    },
    async pull(controller) {
      const { done, value } = await iterator.next().catch((error: unknown) => {
        clearInterval(heartbeat);
        throw error;
      });
      if (!done) return controller.enqueue(part({ payload: withoutHttpErrors(value) }));
      clearInterval(heartbeat);
      controller.enqueue(encoder.encode('--\r\n'));
      controller.close();
    },
    async cancel() {
      clearInterval(heartbeat);
      await iterator.return?.();
    },
  });
  return new Response(body, {
    headers: {
      'content-type': 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0"',
      'cache-control': 'no-cache',
    },
  });
}
