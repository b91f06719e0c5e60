import { GraphQLError, type GraphQLErrorExtensions, Kind } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { AppError, errorCodes } from '../lib/errors.ts';
import { refusalOf } from './database-errors.ts';

/**
 * Turns what was thrown into what the client sees, once, at the edge: an AppError keeps its message and code, a document
 * that is wrong keeps GraphQL's own message, and anything else is masked and logged whole under the request's id.
 * @param log the request's own
 */
export function toClientError(error: unknown, requestId: string, log: Logger): GraphQLError {
  const original = isOfVariable(error) ? error : originalOf(error);
  const position = isGraphQLError(error) ? { nodes: error.nodes, path: error.path } : {};
  if (original instanceof AppError) {
    return new GraphQLError(original.message, {
      ...withoutUndefined(position),
      extensions: { ...original.details, code: original.code, ...httpStatusOf(original) },
    });
  }
  if (isGraphQLError(original)) return isTranslated(original) ? original : toInputError(original);
  const refusal = refusalOf(original);
  if (refusal) {
    const { code, message, retryAfterMs } = refusal;
    if (code === 'SERVER_BUSY') log.error({ err: original }, 'a database is busy or cannot be reached');
    else log.warn({ err: original }, 'a database refused a request');
    return new GraphQLError(message, {
      ...withoutUndefined(position),
      extensions: { code, requestId, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    });
  }
  log.error({ err: original }, 'unexpected error');
  return new GraphQLError(`Something went wrong on our side. Its log entry has the request id ${requestId}.`, {
    ...withoutUndefined(position),
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
  });
}

/** A document that asks for more than is allowed; the message says for how much it may ask. */
export function tooMuch(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', http: { spec: true, status: 400 } } });
}

/** By its name, since packages that are loaded as CommonJS have a class of their own. */
function isGraphQLError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError';
}

/** Whether the error tells which field of which variable is wrong; what is below it, a scalar threw, which knows only the value. */
function isOfVariable(error: unknown): error is GraphQLError {
  return isGraphQLError(error) && error.nodes?.[0]?.kind === Kind.VARIABLE_DEFINITION;
}

/** The error that a resolver threw, below the wrappers that the pipeline puts around it. */
function originalOf(error: unknown): unknown {
  let current = error;
  while (isGraphQLError(current) && current.originalError) current = current.originalError;
  return current;
}

/**
 * Gives the errors of validation, which are no exceptions and so pass by {@link toClientError}, the code of bad input too.
 * @param hideSuggestions leaves out which name GraphQL takes a wrong one for: whoever may not ask for the schema could guess
 *   it from that
 */
export function validationErrors({ hideSuggestions }: { readonly hideSuggestions: boolean }): Plugin {
  return {
    onResultProcess({ result, setResult }) {
      if (Array.isArray(result) || isAsyncIterable(result) || !result.errors) return;
      const errors = result.errors
        .map((error) => (isTranslated(error) ? error : toInputError(error)))
        .map((error) => (hideSuggestions ? withoutSuggestion(error) : error));
      setResult({ ...result, errors });
    },
  };
}

/** A suggestion is what comes last, as GraphQL's `didYouMean` writes it. What comes before may be long, and a client's own text. */
function withoutSuggestion(error: GraphQLError): GraphQLError {
  const { message, extensions } = error;
  const start = message.lastIndexOf(' Did you mean ');
  return start >= 0 && message.endsWith('?') ? reworded(error, message.slice(0, start), extensions) : error;
}

const ownCodes: ReadonlySet<unknown> = new Set(Object.keys(errorCodes));

/** Whether the error has been here before, and was wrapped again on its way. */
function isTranslated(error: GraphQLError): boolean {
  return ownCodes.has(error.extensions.code);
}

/**
 * An error of the request, its document or its variables, which a client can mend. GraphQL's and Yoga's own codes for these
 * are many and none that our API promises; `http` is what Yoga makes the response's status of.
 */
function toInputError(error: GraphQLError): GraphQLError {
  // Yoga adds the parser's message, which repeats a part of the body, where that is no JSON and so no request of GraphQL's.
  const http = error.extensions.originalError === undefined ? error.extensions.http : { status: 400 };
  return reworded(error, readable[error.message] ?? error.message, {
    code: 'BAD_USER_INPUT',
    ...(http !== undefined && { http }),
  });
}

function reworded(
  { nodes, source, positions, path }: GraphQLError,
  message: string,
  extensions: GraphQLErrorExtensions,
) {
  return new GraphQLError(message, { ...withoutUndefined({ nodes, source, positions, path }), extensions });
}

/** What GraphQL says too briefly. */
const readable: Readonly<Record<string, string>> = {
  'Validation aborted.':
    'The document writes so many fields with the same names that it cannot be checked in time. Write no field twice, or ask in several requests.',
};

/** A request without a valid token is refused with 401, as HTTP asks; other errors of a field leave the response at 200. */
function httpStatusOf({ code }: AppError) {
  return code === 'UNAUTHENTICATED' ? { http: { status: 401, headers: { 'www-authenticate': 'Bearer' } } } : {};
}

function withoutUndefined<T extends object>(values: T) {
  // exactOptionalPropertyTypes: GraphQLError's options may be absent but not undefined.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}
