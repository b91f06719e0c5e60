import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Refuses what an HTML form can send. A page of any origin may send forms without asking first, so that mutations in them
 * would be open to request forgery as soon as somebody adds cookies. Of the three kinds of forms Yoga takes this one only.
 *
 * Tells clients that the variables in their URL are no JSON; Yoga would throw what the parser throws, as if it were our fault.
 * @see https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS#simple_requests
 */
export function requestForms(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, endResponse, fetchAPI }) {
      if (request.headers.get('content-type')?.toLowerCase().includes('application/x-www-form-urlencoded')) {
        endResponse(new fetchAPI.Response(null, { status: 415, headers: { accept: 'application/json' } }));
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
