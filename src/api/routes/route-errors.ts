import type { ServerResponse } from 'node:http';
import type { GraphQLErrorExtensions } from 'graphql';
import type { Logger } from 'pino';
import type { ModuleRoute } from '../../installation/module-route.ts';
import { toClientError } from '../errors.ts';

const statuses: Readonly<Record<string, number>> = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TENANT_SUSPENDED: 403,
  NOT_FOUND: 404,
  TENANT_NOT_FOUND: 404,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  SERVER_BUSY: 503,
  TENANT_BUSY: 503,
};

/**
 * Sends an error in the form in which GraphQL has it. The details of an AppError can name another HTTP status as
 * `http: { status }`. If a part of the response was sent, it is cut off.
 */
export function sendError(error: unknown, response: ServerResponse, requestId: string, log: Logger): void {
  // Nobody is there to read it.
  if (response.destroyed) return;
  const { message, extensions } = toClientError(error, requestId, log);
  if (response.headersSent) return void response.destroy();
  const { http, ...shown } = extensions;
  send(response, http?.status ?? statuses[String(shown.code)] ?? 500, message, { requestId, ...shown });
}

/** Says which methods the route has. */
export function sendMethodNotAllowed({ methods }: ModuleRoute, response: ServerResponse): void {
  response.setHeader('allow', methods.join(', '));
  const message = `This address accepts only the methods ${methods.join(', ')}`;
  send(response, 405, message, { code: 'BAD_USER_INPUT' });
}

function send(response: ServerResponse, status: number, message: string, extensions: GraphQLErrorExtensions): void {
  const { retryAfterMs } = extensions;
  if (typeof retryAfterMs === 'number') response.setHeader('retry-after', Math.ceil(retryAfterMs / 1000));
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify({ errors: [{ message, extensions }] }));
}
