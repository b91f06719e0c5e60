import type { ExecutionArgs } from 'graphql';
import { getOperationAST } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { currentRequest } from '../../telemetry/request-record.ts';
import { auditQuery } from '../audit-mutations.ts';
import { toClientError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';

/** Notes the name of an operation for its log line, releases its leases when it has ended, and audits it. */
export function useOperationLog(): Plugin<RequestContext> {
  return {
    onExecute({ args }) {
      const { contextValue: context } = args;
      const operation = noteOperation(args);
      return {
        async onExecuteDone({ result }) {
          await context.release();
          const failed = !isAsyncIterable(result) && (result.errors?.length ?? 0) > 0;
          if (operation?.operation === 'query') await auditQuery(context, titleOf(operation), failed);
        },
      };
    },
    onSubscribe({ args }) {
      const { contextValue: context } = args;
      const operation = noteOperation(args);
      // Subscriptions deliver events and don't read a tenant's tables, so the leases of the start end before the first
      // event.
      return {
        onSubscribeResult({ result }) {
          void context.release();
          void auditQuery(context, titleOf(operation), !isAsyncIterable(result));
        },
        // Events are requested when the request's async context, which holds the request id, no longer exists.
        onSubscribeError({ error, setError }) {
          setError(toClientError(error, context.requestId, context.log));
        },
      };
    },
  };
}

type Operation = ReturnType<typeof getOperationAST>;

function noteOperation({ document, operationName }: ExecutionArgs): Operation {
  const operation = getOperationAST(document, operationName);
  const request = currentRequest();
  if (operation && request) request.operation = { name: operation.name?.value, type: operation.operation };
  return operation;
}

function titleOf(operation: Operation): string {
  return `${operation?.operation ?? 'unknown'} ${operation?.name?.value ?? '(unnamed)'}`;
}
