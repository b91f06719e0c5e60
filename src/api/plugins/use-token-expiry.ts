import { GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { RequestContext } from '../request-context.ts';
import { endAt } from './end-stream.ts';

/** The longest time that Node's timers know, about 25 days, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** Ends subscriptions when the token ends that they were begun with: a last event says so, with UNAUTHENTICATED. */
export function useTokenExpiry(): Plugin<RequestContext> {
  return {
    onSubscribe({ args, extendContext }) {
      const { identity, signal } = args.contextValue;
      if (!identity?.expiresAt) return;
      const leftMs = identity.expiresAt.getTime() - Date.now();
      const expiry = AbortSignal.timeout(Math.min(Math.max(leftMs, 0), LONGEST_MS));
      extendContext({ signal: () => AbortSignal.any([signal(), expiry]) });
      return {
        onSubscribeResult({ result, setResult }) {
          if (isAsyncIterable(result)) setResult(endAt(expiry, result, tokenExpired));
        },
      };
    },
  };
}

function tokenExpired(): GraphQLError {
  return new GraphQLError('The token has expired. Subscribe again with a new one.', {
    extensions: { code: 'UNAUTHENTICATED' },
  });
}
