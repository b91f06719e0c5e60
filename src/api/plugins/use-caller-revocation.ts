import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { AppError } from '../../lib/errors.ts';
import { toClientError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { endAt } from './end-stream.ts';

/**
 * Ends the subscriptions of users who have lost access. The last event is an error: UNAUTHENTICATED if the user was
 * deactivated or signed out; FORBIDDEN if the user is no longer a platform admin or has another role in the tenant that
 * the subscription uses.
 */
export function useCallerRevocation(): Plugin<RequestContext> {
  return {
    onSubscribe({ args, extendContext }) {
      const { contextValue: context } = args;
      const { identity, signal } = context;
      // The claims of a token that belongs to no user cannot be revoked.
      if (!identity?.user) return;
      const { id } = identity.user;
      const refusal = new AbortController();
      extendContext({ signal: () => AbortSignal.any([signal(), refusal.signal]) });
      return {
        onSubscribeResult({ result, setResult }) {
          if (!isAsyncIterable(result)) return;
          const inTenant = context.askedTenant() !== undefined;
          const role = inTenant ? context.tenant.role : undefined;
          const check = async () => {
            const now = await context.callerNow();
            const member = inTenant ? await context.memberNow(now) : undefined;
            if (identity.isPlatformAdmin && !now?.isPlatformAdmin)
              throw new AppError('FORBIDDEN', 'You are no longer a platform admin.');
            if (role !== member?.role)
              throw new AppError('FORBIDDEN', 'Your role in this tenant has changed. Subscribe again.');
          };
          const stop = watch(context, id, check, (error) => refusal.abort(error));
          const reason = () => toClientError(refusal.signal.reason, context.requestId, context.log);
          setResult(endAt(refusal.signal, result, reason, stop));
        },
      };
    },
  };
}

/**
 * Calls `check` whenever the user may have changed, and `refuse` with the error that it throws. Returns a function that
 * stops watching.
 */
function watch(
  { services: { authenticator, directory }, log }: RequestContext,
  userId: string,
  check: () => Promise<void>,
  refuse: (error: AppError) => void,
): () => void {
  const onChange = (id: string | undefined) => {
    if (id !== undefined && id !== userId) return;
    check().catch((err: unknown) => {
      if (!(err instanceof AppError)) log.warn({ err }, 'cannot check whether a user still has access');
      // Other errors, such as that the tenant is not served, are handled by other plugins.
      else if (err.code === 'UNAUTHENTICATED' || err.code === 'FORBIDDEN') refuse(err);
    });
  };
  const stops = [authenticator.onChange(onChange), directory.onMembershipChange(onChange)];
  // The user may have changed since the request began.
  onChange(userId);
  return () => {
    for (const stop of stops) stop();
  };
}
