import type { IncomingMessage, RequestListener } from 'node:http';
import type { AppError } from '../lib/errors.ts';

/** A part of a URL, or a blank, where a host is expected. */
const noHost = /[\s/?#@\\]/;

/**
 * Refuses requests whose host and path make no URL, such as `host: a b`, before Yoga sees them: it would build a URL first
 * of all, and answer with the stack trace of that failure.
 */
export function refuseMalformedRequests(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (isWellFormed(request)) return listener(request, response);
    const code: AppError['code'] = 'BAD_USER_INPUT';
    const message = 'The header host and the path of the request make no URL';
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ message, extensions: { code } }] }));
  };
}

/** A name of 253 characters, a dot at its end, and a port. */
const MAX_HOST = 260;

/** A client of HTTP/1.0 may leave out the host; a path that does not begin with a slash is for proxies. */
function isWellFormed({ headers: { host = 'localhost' }, url = '/' }: IncomingMessage): boolean {
  return host.length <= MAX_HOST && !noHost.test(host) && url.startsWith('/') && URL.canParse(`http://${host}${url}`);
}
