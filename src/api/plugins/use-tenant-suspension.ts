import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { KnownTenant } from '../../catalog/tenant-directory.ts';
import { AppError } from '../../lib/errors.ts';
import { servable } from '../../routing/resolve-tenant.ts';
import { toClientError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { endAt } from './end-stream.ts';

/**
 * Ends subscriptions that use their tenant when it is no longer served, with TENANT_SUSPENDED or TENANT_NOT_FOUND as
 * the last event, and when it has moved, because they know only the old place. Short maintenance does not end them.
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

/** The error for a subscription of a tenant that is somewhere else now. */
function moved(slug: string): AppError {
  return new AppError('TENANT_BUSY', `The tenant ${slug} has moved. Subscribe again.`, {
    details: { retryAfterMs: 0 },
  });
}

/** Calls `refuse` when the tenant is no longer served where it was. Returns a function that stops watching. */
function watch(
  { services: { directory }, log }: RequestContext,
  { id, slug, key }: KnownTenant,
  refuse: (error: AppError) => void,
): () => void {
  const check = () =>
    directory
      .byReference(id)
      .then((now) => {
        if (servable(now, slug).key !== key) refuse(moved(slug));
      })
      .catch((err: unknown) => {
        if (!(err instanceof AppError)) log.warn({ err }, 'cannot check whether a tenant is still served');
        else if (err.code !== 'TENANT_BUSY') refuse(err);
      });
  const stop = directory.onChange((changed) => {
    if (changed === undefined || changed === id) void check();
  });
  // The tenant may have changed since the request began.
  void check();
  return stop;
}
