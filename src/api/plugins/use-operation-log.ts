import type { ExecutionArgs } from 'graphql';
import { getOperationAST } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { auditQuery } from '../audit-mutations.ts';
import { toClientError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Releases the leases of an operation when it has ended, and writes one log line about it. */
export function useOperationLog(): Plugin<RequestContext> {
  return {
    onExecute({ args }) {
      const { contextValue: context } = args;
      const start = performance.now();
      return {
        async onExecuteDone({ result }) {
          await context.release();
          const failed = !isAsyncIterable(result) && (result.errors?.length ?? 0) > 0;
          if (getOperationAST(args.document, args.operationName)?.operation === 'query') {
            await auditQuery(context, nameOf(args), failed);
          }
          context.log.info(
            { operation: nameOf(args), durationMs: Math.round(performance.now() - start), failed },
            'operation',
          );
        },
      };
    },
    onSubscribe({ args }) {
      const { contextValue: context } = args;
      // Subscriptions deliver events and don't read a tenant's tables, so the leases of the start end before the first
      // event.
      return {
        onSubscribeResult({ result }) {
          void context.release();
          void auditQuery(context, nameOf(args), !isAsyncIterable(result));
          context.log.info({ operation: nameOf(args) }, 'subscription');
        },
        // Events are requested when the request's async context, which holds the request id, no longer exists.
        onSubscribeError({ error, setError }) {
          setError(toClientError(error, context.requestId, context.log));
        },
      };
    },
  };
}

function nameOf({ document, operationName }: Pick<ExecutionArgs, 'document' | 'operationName'>): string {
  const operation = getOperationAST(document, operationName);
  return `${operation?.operation ?? 'unknown'} ${operation?.name?.value ?? '(unnamed)'}`;
}
