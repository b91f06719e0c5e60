import { GraphQLError } from 'graphql';
import type { FetchAPI, Plugin } from 'graphql-yoga';
import type { AppError } from '../../lib/errors.ts';

/** How a request is parsed, as Yoga has it. */
type RequestParser = Parameters<Parameters<NonNullable<Plugin['onRequestParse']>>[0]['setRequestParser']>[0];

/**
 * Refuses every body but JSON, and says of what cannot be read what is wrong with it.
 *
 * A page of any origin may send what an HTML form can send without asking first, so that mutations in it would be open to
 * request forgery as soon as somebody adds cookies. Of the three kinds of forms Yoga takes one, and to the others it says
 * nothing; `curl --data` sends that one unless it is given a header.
 * @see https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS#simple_requests
 */
export function useJsonRequests(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, endResponse, fetchAPI }) {
      if (request.method === 'POST' && (!requestParser || isForm(request))) endResponse(wrongContentType(fetchAPI));
      else if (request.method === 'GET' && requestParser) setRequestParser(explained(requestParser));
    },
  };
}

function isForm({ headers }: Request): boolean {
  return headers.get('content-type')?.toLowerCase().includes('application/x-www-form-urlencoded') === true;
}

function wrongContentType({ Response }: FetchAPI): Response {
  const code: AppError['code'] = 'BAD_USER_INPUT';
  const message = 'The body must be JSON, and the header content-type must say so: application/json';
  const body = { errors: [{ message, extensions: { code } }] };
  return Response.json(body, { status: 415, headers: { accept: 'application/json' } });
}

/** Yoga would throw what the parser of JSON throws, as if it were our fault. */
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
