import type { FetchAPI, Plugin } from 'graphql-yoga';

/** Answers what is asked at one path; undefined leaves the request to whatever comes next. */
export type Route = (request: Request, fetchAPI: FetchAPI) => Response | undefined | Promise<Response>;

/** Answers what is asked at paths beside the API's own. */
export function useRoutes(table: Readonly<Record<string, Route>>): Plugin {
  const known = new Map(Object.entries(table));
  return {
    // Not async, and all of them in one: requests to the API, which are nearly all, must not wait for them.
    onRequest({ request, url, endResponse, fetchAPI }) {
      const answer = known.get(url.pathname)?.(request, fetchAPI);
      if (answer instanceof Promise) return answer.then(endResponse);
      if (answer) endResponse(answer);
      return undefined;
    },
  };
}
