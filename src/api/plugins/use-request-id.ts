import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';

interface CurrentRequest {
  readonly id: string;
  log?: Logger;
}

const current = new AsyncLocalStorage<CurrentRequest>();

/** The id of the request that is being answered. */
export function currentRequestId(): string {
  return current.getStore()?.id ?? randomUUID();
}

/** Keeps the log of the request that is being answered, which names more of it than its id. */
export function keepLog(log: Logger): void {
  const request = current.getStore();
  if (request) request.log = log;
}

/** The log of the request that is being answered, also before it is known whose it is. */
export function currentLog(log: Logger): Logger {
  return current.getStore()?.log ?? log.child({ requestId: currentRequestId() });
}

/**
 * Gives each request an id, which comes back in the response's header `x-request-id`: the one that a proxy gave it in this
 * header, or a new one. Without proxies of ours in front of the server the header is the client's, and not used.
 * @param trustedProxies how many proxies of ours there are
 */
export function useRequestId(trustedProxies: number): Plugin {
  return {
    instrumentation: {
      request: ({ request }, handle) => {
        const given = trustedProxies > 0 ? request.headers.get('x-request-id') : null;
        return current.run({ id: given !== null && usableId.test(given) ? given : randomUUID() }, handle);
      },
    },
    onResponse({ response }) {
      response.headers.set('x-request-id', currentRequestId());
    },
  };
}

const usableId = /^[\w-]{8,64}$/;
