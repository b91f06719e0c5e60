import { type ExecutionArgs, type ExecutionResult, type GraphQLError, type GraphQLSchema, parse } from 'graphql';
import { isAsyncIterable, type YogaServerInstance } from 'graphql-yoga';
import type { Services } from '../installation/services.ts';
import { clientErrors, withoutHttp } from './errors.ts';
import type { FetchedRequest, RequestContext } from './request-context.ts';
import { handleRequest, refuseRequest } from './request-log.ts';

/** What runs operations: Yoga with our plugins. */
type Runner = Pick<YogaServerInstance<object, RequestContext>, 'getResultForParams'>;

/** The parameters of a GraphQL request. */
export type Params = Parameters<Runner['getResultForParams']>[0]['params'];

/** A client's connection that carries operations. */
interface Carrier {
  /** Creates the request that an operation is handled as. */
  createRequest(signal: AbortSignal): FetchedRequest;
}

/** Runs the operations of connections in the same way as those of HTTP requests: with the same plugins and limits. */
export interface Operations {
  /**
   * Starts an operation.
   * @param abort is aborted when the client no longer wants its result, also by what this returns
   * @returns the errors of an operation that could not start, otherwise what `graphql-ws` passes to {@link resultOf}
   */
  start(carrier: Carrier, params: Params, abort: AbortController): Promise<readonly GraphQLError[] | ExecutionArgs>;
}

/** `graphql-ws` asks for a document, which it uses only to choose between two functions that do the same here. */
const document = parse('{ __typename }');

/** Returns the result of an operation that has been started. */
export function resultOf({ rootValue }: Pick<ExecutionArgs, 'rootValue'>): Result {
  // `start` has put it there.
  return rootValue as Result;
}

type Result = ExecutionResult | AsyncIterable<ExecutionResult>;

/** Creates what runs operations through `server`, which has `schema`. */
export function createOperations(server: Runner, services: Services, schema: GraphQLSchema): Operations {
  const hideSuggestions = !services.config.graphql.introspection;
  const present = (result: ExecutionResult): ExecutionResult =>
    result.errors ? { ...result, errors: clientErrors(result.errors, hideSuggestions).map(withoutHttp) } : result;
  return {
    start: (carrier, params, abort) =>
      handleRequest(services, { span: 'request' }, async () => {
        try {
          const { request, req } = carrier.createRequest(abort.signal);
          const result = await server.getResultForParams({ params, request }, { request, req, params });
          if (result === undefined) throw new Error('Yoga returned no result');
          if (isAsyncIterable(result)) return { schema, document, rootValue: eventsOf(result, present, abort) };
          const presented = present(result);
          // The protocol has a message of its own for operations that did not start.
          if (!('data' in presented) && presented.errors) return presented.errors;
          return { schema, document, rootValue: presented };
        } catch (error) {
          return [withoutHttp(refuseRequest(error, services.log))];
        }
      }),
  };
}

/** Passes events on, and aborts the operation when the client completes it. */
function eventsOf(
  results: AsyncIterable<ExecutionResult>,
  present: (result: ExecutionResult) => ExecutionResult,
  abort: AbortController,
): AsyncIterableIterator<ExecutionResult> {
  const source = results[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const next = await source.next();
      return next.done ? next : { done: false, value: present(next.value) };
    },
    async return() {
      abort.abort();
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
}
