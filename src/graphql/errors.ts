import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import { isConnectionFailure } from '../postgres/error-codes.ts';

/**
 * Turns what was thrown into what the client sees, once, at the edge: an AppError keeps its message and code, a document
 * that is wrong keeps GraphQL's own message, and anything else is masked and logged whole under the request's id.
 */
export function toClientError(error: unknown, requestId: string, log: Logger): GraphQLError {
  const original = originalOf(error);
  const position = isGraphQLError(error) ? { nodes: error.nodes, path: error.path } : {};
  if (original instanceof AppError) {
    return new GraphQLError(original.message, {
      ...withoutUndefined(position),
      extensions: { ...original.details, code: original.code, ...httpStatusOf(original) },
    });
  }
  // One that has a code has been here before, and was wrapped again on its way.
  if (isGraphQLError(original)) return original.extensions.code ? original : withCode(original);
  if (isConnectionFailure(original)) {
    log.error({ err: original, requestId }, 'a database cannot be reached');
    return new GraphQLError('The database cannot be reached at present. Try again in a moment.', {
      ...withoutUndefined(position),
      extensions: { code: 'SERVER_BUSY', requestId, retryAfterMs: 1000 },
    });
  }
  log.error({ err: original, requestId }, 'unexpected error');
  return new GraphQLError(`Something went wrong on our side. Its log entry has the request id ${requestId}.`, {
    ...withoutUndefined(position),
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
  });
}

/** By its name, since packages that are loaded as CommonJS have a class of their own. */
function isGraphQLError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError';
}

/** The error that a resolver threw, below the wrappers that the pipeline puts around it. */
function originalOf(error: unknown): unknown {
  let current = error;
  while (isGraphQLError(current) && current.originalError) current = current.originalError;
  return current;
}

/** An error of the document or of its variables, which a client can mend. */
function withCode(error: GraphQLError): GraphQLError {
  return new GraphQLError(error.message, {
    ...withoutUndefined({ nodes: error.nodes, source: error.source, positions: error.positions, path: error.path }),
    extensions: { ...error.extensions, code: 'BAD_USER_INPUT' },
  });
}

/** A request without a valid token is refused with 401, as HTTP asks; other errors of a field leave the response at 200. */
function httpStatusOf({ code }: AppError) {
  return code === 'UNAUTHENTICATED' ? { http: { status: 401 } } : {};
}

function withoutUndefined<T extends object>(values: T) {
  // exactOptionalPropertyTypes: GraphQLError's options may be absent but not undefined.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}
