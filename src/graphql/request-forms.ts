import { GraphQLError } from 'graphql';
import type { FetchAPI, Plugin } from 'graphql-yoga';
import type { AppError } from '../errors.ts';

/**
 * Refuses what an HTML form can send. A page of any origin may send forms without asking first, so that mutations in them
 * would be open to request forgery as soon as somebody adds cookies. Of the three kinds of forms Yoga takes one only. What is
 * refused is told what to send instead, for `curl --data` sends a form unless it is given a header; Yoga would say nothing.
 *
 * Tells clients that the variables in their URL are no JSON; Yoga would throw what the parser throws, as if it were our fault.
 * @see https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS#simple_requests
 */
export function requestForms(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, endResponse, fetchAPI }) {
      if (request.method === 'POST' && (!requestParser || isForm(request))) {
        endResponse(wrongContentType(fetchAPI));
      } else if (request.method === 'GET' && requestParser) {
        setRequestParser(async (given) => {
          try {
            return await requestParser(given);
          } catch (error) {
            if (!(error instanceof SyntaxError)) throw error;
            throw new GraphQLError('The parameters variables and extensions must be JSON', {
              extensions: { http: { status: 400 } },
            });
          }
        });
      }
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
