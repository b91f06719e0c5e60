import type { ExecutionArgs } from 'graphql';
import { getOperationAST } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { auditQuery } from '../audit-mutations.ts';
import { toClientError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Ends the leases of an operation when it is over, and writes one line of log about it. */
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
      // Subscriptions see events, not a tenant's tables; what starting one leased ends before the first event.
      return {
        onSubscribeResult({ result }) {
          void context.release();
          void auditQuery(context, nameOf(args), !isAsyncIterable(result));
          context.log.info({ operation: nameOf(args) }, 'subscription');
        },
        // Events are asked for when the request's asynchronous context, which knows its id, is gone.
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
