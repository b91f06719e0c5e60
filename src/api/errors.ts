import { GraphQLError, type GraphQLErrorExtensions, Kind } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { AppError, errorCodes } from '../lib/errors.ts';
import { isLostCommit } from '../postgres/pool/lost-commits.ts';
import { outcomeUnknown } from '../routing/unknown-outcome.ts';
import { currentRequest } from '../telemetry/request-record.ts';
import { refusalOf } from './database-errors.ts';

/**
 * Converts what was thrown into the error that the client sees. An AppError keeps its message and code, and an invalid
 * document keeps GraphQL's own message. Anything else is masked and logged in full with the request's id.
 * @param log the request's own logger
 */
export function toClientError(error: unknown, requestId: string, log: Logger): GraphQLError {
  const original = truthOf(isOfVariable(error) ? error : originalOf(error));
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
    const { code, message, field, retryAfterMs } = refusal;
    if (code === 'SERVER_BUSY') log.error({ err: original }, 'a database is busy or cannot be reached');
    else log.warn({ err: original }, 'a database refused a request');
    return new GraphQLError(message, {
      ...withoutUndefined(position),
      extensions: { code, requestId, ...withoutUndefined({ field, retryAfterMs }) },
    });
  }
  log.error({ err: original }, 'unexpected error');
  return new GraphQLError(`Something went wrong on our side. The log entry has the request id ${requestId}.`, {
    ...withoutUndefined(position),
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
  });
}

/** A mutation must not say that it changed nothing, if PostgreSQL may have committed a change of it. Queries can be repeated. */
function truthOf(error: unknown): unknown {
  const isMutation = currentRequest()?.operation?.type === 'mutation';
  return isMutation && isLostCommit(error) ? outcomeUnknown(error) : error;
}

/** The error for a document that requests more than is allowed; the message states the limit. */
export function tooMuch(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', http: { spec: true, status: 400 } } });
}

/** Checks the name, since packages that are loaded as CommonJS have a class of their own. */
function isGraphQLError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError';
}

/**
 * Whether the error names the invalid field of a variable. The error below it comes from a scalar, which only sees the
 * value.
 */
function isOfVariable(error: unknown): error is GraphQLError {
  return isGraphQLError(error) && error.nodes?.[0]?.kind === Kind.VARIABLE_DEFINITION;
}

/** The error that a resolver threw, without the wrappers that the pipeline adds. */
function originalOf(error: unknown): unknown {
  let current = error;
  while (isGraphQLError(current) && current.originalError) current = current.originalError;
  return current;
}

/**
 * Sets the code of validation errors, which are not thrown and so do not pass through {@link toClientError}.
 * @param hideSuggestions removes GraphQL's suggestions for misspelled names, from which a client that may not read the
 *   schema could guess it
 */
export function validationErrors({ hideSuggestions }: { readonly hideSuggestions: boolean }): Plugin {
  return {
    onResultProcess({ result, setResult }) {
      if (Array.isArray(result) || isAsyncIterable(result) || !result.errors) return;
      setResult({ ...result, errors: clientErrors(result.errors, hideSuggestions) });
    },
  };
}

/** Returns the errors of a result as the client sees them; see {@link validationErrors}. */
export function clientErrors(errors: readonly GraphQLError[], hideSuggestions: boolean): GraphQLError[] {
  return errors
    .map((error) => (isTranslated(error) ? error : toInputError(error)))
    .map((error) => (hideSuggestions ? withoutSuggestion(error) : error));
}

/** Removes the HTTP status and headers, for an error that is sent after them or without them. */
export function withoutHttp(error: GraphQLError): GraphQLError {
  const { message, nodes, source, positions, path, extensions } = error;
  const { http: _http, ...others } = extensions;
  return new GraphQLError(message, {
    nodes: nodes ?? null,
    source: source ?? null,
    positions: positions ?? null,
    path: path ?? null,
    extensions: others,
  });
}

/**
 * The suggestion comes last, as GraphQL's `didYouMean` writes it. The text before it may be long and come from the
 * client.
 */
function withoutSuggestion(error: GraphQLError): GraphQLError {
  const { message, extensions } = error;
  const start = message.lastIndexOf(' Did you mean ');
  return start >= 0 && message.endsWith('?') ? reworded(error, message.slice(0, start), extensions) : error;
}

const ownCodes: ReadonlySet<unknown> = new Set(Object.keys(errorCodes));

/** Whether the error was converted before and then wrapped again. */
function isTranslated(error: GraphQLError): boolean {
  return ownCodes.has(error.extensions.code);
}

/**
 * An error in the request, its document or its variables, which the client can fix. GraphQL and Yoga use many codes of
 * their own for these, none of which is part of our API. Yoga derives the HTTP status from `http`.
 */
function toInputError(error: GraphQLError): GraphQLError {
  // If the body is not JSON, and so not a GraphQL request, Yoga adds the parser's message, which repeats part of the
  // body.
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

const noIncrementalDelivery =
  'The server sends results in one piece: remove @defer and @stream. Send what is slow as an operation of its own.';

/** Replacements for GraphQL messages that are too terse. */
const readable: Readonly<Record<string, string>> = {
  'Validation aborted.':
    'The document repeats the same field names too often to be validated in time. Do not repeat fields, or split it into several requests.',
  'Unknown directive "@defer".': noIncrementalDelivery,
  'Unknown directive "@stream".': noIncrementalDelivery,
};

/** A request without a valid token gets HTTP status 401; other errors of a field leave it at 200. */
function httpStatusOf({ code }: AppError) {
  return code === 'UNAUTHENTICATED' ? { http: { status: 401, headers: { 'www-authenticate': 'Bearer' } } } : {};
}

function withoutUndefined<T extends object>(values: T) {
  // exactOptionalPropertyTypes: GraphQLError's options may be absent but not undefined.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}
