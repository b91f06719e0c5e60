import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/** Tells clients that the variables in their URL are no JSON; Yoga would throw what the parser throws, as if it were our fault. */
export function readableGetParameters(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser }) {
      if (request.method !== 'GET' || !requestParser) return;
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
    },
  };
}
