import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Plugin } from 'graphql-yoga';

const current = new AsyncLocalStorage<string>();

/** The id of the request that is being answered. */
export function currentRequestId(): string {
  return current.getStore() ?? randomUUID();
}

/**
 * Gives each request an id: the one that a proxy gave it in `x-request-id`, if that is harmless, else a new one. It comes
 * back in the response's header of that name.
 */
export function requestIds(): Plugin {
  return {
    instrumentation: {
      request: ({ request }, handle) => current.run(chooseId(request.headers.get('x-request-id')), handle),
    },
    onResponse({ response }) {
      response.headers.set('x-request-id', currentRequestId());
    },
  };
}

function chooseId(given: string | null): string {
  return given && /^[\w-]{8,64}$/.test(given) ? given : randomUUID();
}
