import { GraphQLError } from 'graphql';
import type { FetchAPI, Plugin } from 'graphql-yoga';
import type { AppError } from '../../lib/errors.ts';
import { parseBody, readBody } from '../limits/request-body.ts';

/** Yoga's type of a request parser. */
type RequestParser = Parameters<Parameters<NonNullable<Plugin['onRequestParse']>>[0]['setRequestParser']>[0];

/**
 * Refuses every body that is not JSON, is too large or has too many values, and explains what is wrong with unreadable
 * requests.
 *
 * A page of any origin can send without a preflight what an HTML form can send. Mutations in such requests would be
 * open to request forgery as soon as somebody adds cookies. Yoga accepts one of the three form types and gives no
 * reason for refusing the others; `curl --data` sends the accepted one unless it is given a header.
 * @see https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS#simple_requests
 */
export function useJsonRequests(maxBodyBytes: number): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, endResponse, fetchAPI }) {
      if (request.method === 'GET' && requestParser) return setRequestParser(explained(requestParser));
      if (request.method !== 'POST') return;
      if (!requestParser || isForm(request)) return endResponse(wrongContentType(fetchAPI));
      setRequestParser((unread) => requestParser(limited(unread, maxBodyBytes)));
    },
  };
}

function isForm({ headers }: Request): boolean {
  return headers.get('content-type')?.toLowerCase().includes('application/x-www-form-urlencoded') === true;
}

function wrongContentType({ Response }: FetchAPI): Response {
  const code: AppError['code'] = 'BAD_USER_INPUT';
  const message = 'The body must be JSON, with the header content-type: application/json';
  const body = { errors: [{ message, extensions: { code } }] };
  return Response.json(body, { status: 415, headers: { accept: 'application/json' } });
}

/** Yoga's own limit copies the body through two streams, which costs a tenth of a small request. */
function limited(request: Request, maxBytes: number): Request {
  const text = () => readBody(request, maxBytes);
  return Object.assign(request, { text, json: async () => parseBody(await text()) });
}

/** Yoga would rethrow the JSON parser's error, which would be reported as an internal error. */
function explained(parse: RequestParser): RequestParser {
  return async (request) => {
    try {
      return await parse(request);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new GraphQLError('The parameters variables and extensions must be JSON', {
        extensions: { http: { status: 400 } },
      });
    }
  };
}
