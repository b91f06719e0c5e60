import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';

interface CurrentRequest {
  readonly id: string;
  log?: Logger;
}

const current = new AsyncLocalStorage<CurrentRequest>();

/** Runs work as a request with a new id. */
export function withRequestId<T>(work: () => T): T {
  return current.run({ id: randomUUID() }, work);
}

/** The headers of a request. Names are in lower case. */
export interface HeaderReader {
  get(name: string): string | null;
}

/**
 * Runs work as a request that arrived over HTTP, with the id that a proxy has given it, or else a new one.
 * @param trustedProxies the number of our own proxies in front of the server; without any, the client could have set the id
 */
export function withIdOf<T>(headers: HeaderReader, trustedProxies: number, work: () => T): T {
  const given = trustedProxies > 0 ? headers.get('x-request-id') : null;
  return current.run({ id: given !== null && usableId.test(given) ? given : randomUUID() }, work);
}

/** The id of the current request. */
export function currentRequestId(): string {
  return current.getStore()?.id ?? randomUUID();
}

/** Sets the logger of the current request once more than its id is known. */
export function keepLog(log: Logger): void {
  const request = current.getStore();
  if (request) request.log = log;
}

/** The logger of the current request, also before its caller is known. */
export function currentLog(log: Logger): Logger {
  return current.getStore()?.log ?? log.child({ requestId: currentRequestId() });
}

/** Gives each request an id, and returns it in the response header `x-request-id`. See {@link withIdOf}. */
export function useRequestId(trustedProxies: number): Plugin {
  return {
    instrumentation: {
      request: ({ request }, handle) => withIdOf(request.headers, trustedProxies, handle),
    },
    onResponse({ response }) {
      response.headers.set('x-request-id', currentRequestId());
    },
  };
}

const usableId = /^[\w-]{8,64}$/;
