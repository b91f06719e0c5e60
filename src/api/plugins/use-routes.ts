import type { FetchAPI, Plugin } from 'graphql-yoga';

/** Handles requests to one path; if it returns undefined, the next handler gets the request. */
export type Route = (request: Request, fetchAPI: FetchAPI) => Response | undefined | Promise<Response>;

/** Handles requests to paths other than the API's. */
export function useRoutes(table: Readonly<Record<string, Route>>): Plugin {
  const known = new Map(Object.entries(table));
  return {
    // One synchronous hook for all routes, so that requests to the API, which are nearly all, are not delayed.
    onRequest({ request, url, endResponse, fetchAPI }) {
      const answer = known.get(url.pathname)?.(request, fetchAPI);
      if (answer instanceof Promise) return answer.then(endResponse);
      if (answer) endResponse(answer);
      return undefined;
    },
  };
}
