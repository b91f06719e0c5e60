import type { IncomingMessage, RequestListener } from 'node:http';
import type { AppError } from '../lib/errors.ts';

/** Characters that cannot be part of a host. */
const noHost = /[\s/?#@\\]/;

/**
 * Rejects requests whose host and path do not form a URL, such as `host: a b`, before they reach Yoga, which would
 * respond with the stack trace of the failure to parse the URL.
 */
export function refuseMalformedRequests(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (isWellFormed(request)) return listener(request, response);
    const code: AppError['code'] = 'BAD_USER_INPUT';
    const message = 'The host header and the path of the request do not form a valid URL';
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ message, extensions: { code } }] }));
  };
}

/** A name of 253 characters, a trailing dot and a port. */
const MAX_HOST = 260;

/**
 * Whether the host and path of a request form a URL. HTTP/1.0 clients may omit the host. A path that does not start with
 * a slash is meant for a proxy.
 */
export function isWellFormed({ headers: { host = 'localhost' }, url = '/' }: IncomingMessage): boolean {
  return host.length <= MAX_HOST && !noHost.test(host) && url.startsWith('/') && URL.canParse(`http://${host}${url}`);
}
