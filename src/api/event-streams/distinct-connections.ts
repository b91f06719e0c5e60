import type { IncomingMessage, RequestListener } from 'node:http';

/**
 * Serves the distinct connections mode of GraphQL over server-sent events where the single connection mode is served too:
 * a request that names no stream is handled as one to `/graphql`.
 * @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode
 */
export function serveDistinctConnections(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (request.url?.startsWith('/graphql/stream')) request.url = withoutStream(request.url, request);
    listener(request, response);
  };
}

function withoutStream(url: string, { method, headers }: IncomingMessage): string {
  const [path, search] = url.split(/\?(.*)/s, 2);
  const parameters = new URLSearchParams(search);
  const namesStream = headers['x-graphql-event-stream-token'] !== undefined || parameters.has('token');
  const isOperation = method === 'POST' || (method === 'GET' && parameters.has('query'));
  if (path !== '/graphql/stream' || namesStream || !isOperation) return url;
  return search === undefined ? '/graphql' : `/graphql?${search}`;
}
