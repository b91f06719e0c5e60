import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { KnownTenant } from '../../catalog/tenant-directory.ts';
import { AppError } from '../../lib/errors.ts';
import { servable } from '../../routing/resolve-tenant.ts';
import { toClientError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { endAt } from './end-stream.ts';

/**
 * Ends subscriptions that asked for their tenant when it is no more served: a last event says so, with TENANT_SUSPENDED or
 * TENANT_NOT_FOUND. One that is only worked on for a moment keeps them.
 */
export function useTenantSuspension(): Plugin<RequestContext> {
  return {
    onSubscribe({ args, extendContext }) {
      const { contextValue: context } = args;
      if (!context.tenant.isNamed) return;
      const refusal = new AbortController();
      const { signal } = context;
      extendContext({ signal: () => AbortSignal.any([signal(), refusal.signal]) });
      return {
        onSubscribeResult({ result, setResult }) {
          const tenant = context.askedTenant();
          if (!tenant || !isAsyncIterable(result)) return;
          const stop = watch(context, tenant, (error) => refusal.abort(error));
          const reason = () => toClientError(refusal.signal.reason, context.requestId, context.log);
          setResult(endAt(refusal.signal, result, reason, stop));
        },
      };
    },
  };
}

/** Calls `refuse` when the tenant is not served any more, until the returned function is called. */
function watch(
  { services: { directory }, log }: RequestContext,
  { id, slug }: KnownTenant,
  refuse: (error: AppError) => void,
): () => void {
  const look = () =>
    directory
      .byReference(id)
      .then((now) => void servable(now, slug))
      .catch((err: unknown) => {
        if (!(err instanceof AppError)) log.warn({ err }, 'it cannot be found out whether a tenant is still served');
        else if (err.code !== 'TENANT_BUSY') refuse(err);
      });
  const stop = directory.onChange((changed) => {
    if (changed === undefined || changed === id) void look();
  });
  // It may have changed since the request began.
  void look();
  return stop;
}
