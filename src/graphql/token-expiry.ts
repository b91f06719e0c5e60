import type { ExecutionResult } from 'graphql';
import { GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { RequestContext } from './request-context.ts';

/** The longest time that Node's timers know, about 25 days, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** Ends subscriptions when the token ends that they were begun with: a last event says so, with UNAUTHENTICATED. */
export function endWithToken(): Plugin<RequestContext> {
  return {
    onSubscribe({ args, extendContext }) {
      const { identity, signal } = args.contextValue;
      if (!identity?.expiresAt) return;
      const leftMs = identity.expiresAt.getTime() - Date.now();
      const expiry = AbortSignal.timeout(Math.min(Math.max(leftMs, 0), LONGEST_MS));
      extendContext({ signal: AbortSignal.any([signal, expiry]) });
      return {
        onSubscribeResult({ result, setResult }) {
          if (isAsyncIterable(result)) setResult(until(expiry, result));
        },
      };
    },
  };
}

/** It does not wait for the events to end, since a source may not heed its context's signal. */
function until(expiry: AbortSignal, results: AsyncIterable<ExecutionResult>): AsyncIterableIterator<ExecutionResult> {
  const source = results[Symbol.asyncIterator]();
  const expired = new Promise<undefined>((resolve) => {
    expiry.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  let ended = false;
  const end = async (): Promise<IteratorResult<ExecutionResult>> => {
    ended = true;
    await source.return?.();
    return { done: true, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (ended) return { done: true, value: undefined };
      const next = await Promise.race([source.next(), expired]);
      if (next && !(next.done && expiry.aborted)) return next;
      // The stream is over for the client, however its source ends.
      end().catch(() => undefined);
      return { done: false, value: { errors: [tokenExpired()] } };
    },
    return: end,
  };
}

function tokenExpired(): GraphQLError {
  return new GraphQLError('The token has expired. Subscribe again with a new one.', {
    extensions: { code: 'UNAUTHENTICATED' },
  });
}
