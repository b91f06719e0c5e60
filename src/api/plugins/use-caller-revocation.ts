import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { AppError } from '../../lib/errors.ts';
import { toClientError } from '../errors.ts';
import type { CurrentAccess, RequestContext } from '../request-context.ts';
import { endAt } from './end-stream.ts';

/**
 * Ends subscriptions of users who may not do any more what they could when they subscribed: a last event says so, with
 * UNAUTHENTICATED for who is deactivated or signed out, or FORBIDDEN for who is no platform admin any more, or is not the same
 * any more in the tenant that the subscription asked for.
 */
export function useCallerRevocation(): Plugin<RequestContext> {
  return {
    onSubscribe({ args, extendContext }) {
      const { contextValue: context } = args;
      const { identity, signal } = context;
      // What a token of no user says can be taken from nobody.
      if (!identity?.user) return;
      const { id } = identity.user;
      const refusal = new AbortController();
      extendContext({ signal: () => AbortSignal.any([signal(), refusal.signal]) });
      return {
        onSubscribeResult({ result, setResult }) {
          if (!isAsyncIterable(result)) return;
          const inTenant = context.askedTenant() !== undefined;
          const before = {
            isPlatformAdmin: identity.isPlatformAdmin,
            role: inTenant ? context.tenant.role : undefined,
          };
          const look = () => mayStill(before, () => context.currentAccess(inTenant));
          const stop = watch(context, id, look, (error) => refusal.abort(error));
          const reason = () => toClientError(refusal.signal.reason, context.requestId, context.log);
          setResult(endAt(refusal.signal, result, reason, stop));
        },
      };
    },
  };
}

/** @throws {AppError} if the user may not do any more what they could before */
async function mayStill(before: CurrentAccess, currentAccess: () => Promise<CurrentAccess>): Promise<void> {
  const now = await currentAccess();
  if (before.isPlatformAdmin && !now.isPlatformAdmin)
    throw new AppError('FORBIDDEN', 'You are no platform admin any more');
  if (before.role !== now.role)
    throw new AppError('FORBIDDEN', 'You are not the same any more in this tenant. Subscribe again.');
}

/** Has a look whenever the user may have changed, and calls `refuse` with what it throws, until the returned function is called. */
function watch(
  { services: { authenticator, directory }, log }: RequestContext,
  userId: string,
  look: () => Promise<void>,
  refuse: (error: AppError) => void,
): () => void {
  const heard = (id: string | undefined) => {
    if (id !== undefined && id !== userId) return;
    look().catch((err: unknown) => {
      if (!(err instanceof AppError)) log.warn({ err }, 'it cannot be found out whether a user is still let in');
      // That the tenant is not served is for others to tell.
      else if (err.code === 'UNAUTHENTICATED' || err.code === 'FORBIDDEN') refuse(err);
    });
  };
  const stops = [authenticator.onChange(heard), directory.onMembershipChange(heard)];
  // It may have changed since the request began.
  heard(userId);
  return () => {
    for (const stop of stops) stop();
  };
}
