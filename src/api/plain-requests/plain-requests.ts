import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { ExecutionResult } from 'graphql';
import { type GraphQLParams, isAsyncIterable, type YogaServerInstance } from 'graphql-yoga';
import type { Services } from '../../installation/services.ts';
import { isTracing } from '../../telemetry/tracing.ts';
import { clientErrors } from '../errors.ts';
import { parseBody } from '../limits/request-body.ts';
import { recordResponse } from '../plugins/use-requests.ts';
import type { RequestContext } from '../request-context.ts';
import { currentRequestId, handleRequest, refuseRequest } from '../request-log.ts';
import { type PlainType, plainTypeOf } from './is-plain.ts';
import { NodeRequest, readText, withBody } from './node-request.ts';
import { type ResponseParts, responsePartsOf } from './response-parts.ts';

/**
 * Answers plain requests, which are nearly all, without the `Request`, `Response` and streams that Yoga creates for each.
 * Yoga handles all others, and those whose body turns out to be odd. The operations run in Yoga in either case, with the
 * same plugins.
 * @param hasCors whether pages of some other origins may read responses
 */
export function answerPlainRequests(
  yoga: YogaServerInstance<object, RequestContext>,
  services: Services,
  hasCors: boolean,
): RequestListener {
  const { http, graphql } = services.config;
  const { getResultForParams } = yoga;
  const failed = (error: unknown): ExecutionResult => ({ errors: [refuseRequest(error, services.log)] });

  async function resultOf(params: GraphQLParams, req: IncomingMessage, request: NodeRequest): Promise<ExecutionResult> {
    try {
      // Plugins and the context read nothing of the request but what `NodeRequest` has.
      const payload = { params, request: request as unknown as Request };
      const result = await getResultForParams(payload, { req, request, params });
      if (result === undefined || isAsyncIterable(result)) throw new Error('The operation has no single result');
      return result;
    } catch (error) {
      return failed(error);
    }
  }

  function partsOf(result: ExecutionResult, type: PlainType): ResponseParts {
    const { errors } = result;
    return responsePartsOf(errors ? { ...result, errors: clientErrors(errors, !graphql.introspection) } : result, type);
  }

  async function respond(params: GraphQLParams, req: IncomingMessage, request: NodeRequest, type: PlainType) {
    const result = await resultOf(params, req, request);
    const startMs = performance.now();
    try {
      return partsOf(result, type);
    } catch (error) {
      // A value that has no JSON.
      return partsOf(failed(error), type);
    } finally {
      if (isTracing()) recordResponse(startMs);
    }
  }

  async function answer(req: IncomingMessage, response: ServerResponse, type: PlainType): Promise<void> {
    const request = new NodeRequest(req, response);
    const text = await readText(req);
    if (text === undefined) return;
    const params = paramsOf(text);
    if (!params) return void yoga(withBody(req, text), response);
    await handleRequest(services, { headers: request.headers, span: 'request' }, async () => {
      const { status, headers, body } = await respond(params, req, request, type);
      if (response.destroyed) return;
      response.writeHead(status, { ...headers, 'x-request-id': currentRequestId() }).end(body);
    });
  }

  return (request, response) => {
    const type = plainTypeOf(request, http.maxBodyBytes, hasCors);
    if (!type) return void yoga(request, response);
    answer(request, response, type).catch((err: unknown) => {
      services.log.error({ err }, 'cannot answer a request');
      response.destroy();
    });
  };
}

/**
 * Returns the parameters in a body; undefined if it is invalid, or may be a subscription, whose response is a stream. A
 * persisted document is known only to its plugin.
 */
function paramsOf(text: string): GraphQLParams | undefined {
  try {
    const body = parseBody(text);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
    // The plugins check the other members.
    const params: GraphQLParams = body;
    const { query, extensions } = params;
    if (typeof query !== 'string' || extensions?.persistedQuery !== undefined) return undefined;
    // GraphQL has no other way to write this word.
    return query.includes('subscription') ? undefined : params;
  } catch {
    return undefined;
  }
}
