import { GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { RequestContext } from '../request-context.ts';
import { endAt } from './end-stream.ts';

/** The longest delay of a Node timer, about 25 days, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** Ends subscriptions when their token expires, with UNAUTHENTICATED as the last event. */
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
