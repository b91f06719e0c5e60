import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ModuleRoute } from '../../installation/module-route.ts';
import { type AllowedOrigins, isAllowedOrigin } from '../cors.ts';

/** What pages of other origins may read of a response, beside its body. */
const exposed = [
  'accept-ranges',
  'content-disposition',
  'content-length',
  'content-range',
  'etag',
  'retry-after',
  'x-request-id',
].join(', ');

/** Lets pages of allowed origins read the response. */
export function allowOrigin(allowed: AllowedOrigins, { headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('vary', 'origin');
  const { origin } = headers;
  if (origin === undefined || !isAllowedOrigin(allowed, origin)) return;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', exposed);
}

/** Answers a browser's question whether a page of another origin may send a request. */
export function answerPreflight(
  { methods }: ModuleRoute,
  { headers }: IncomingMessage,
  response: ServerResponse,
): void {
  if (response.hasHeader('access-control-allow-origin')) {
    response.setHeader('access-control-allow-methods', methods.join(', '));
    response.setHeader('access-control-allow-headers', headers['access-control-request-headers'] ?? '');
    response.setHeader('access-control-max-age', 600);
  }
  response.writeHead(204).end();
}
