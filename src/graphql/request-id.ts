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
 * Gives each request an id: the one that a proxy gave it in `x-request-id`, if that is harmless, else a new one. It comes
 * back in the response's header of that name.
 */
export function requestIds(): Plugin {
  return {
    instrumentation: {
      request: ({ request }, handle) => current.run({ id: chooseId(request.headers.get('x-request-id')) }, handle),
    },
    onResponse({ response }) {
      response.headers.set('x-request-id', currentRequestId());
    },
  };
}

function chooseId(given: string | null): string {
  return given && /^[\w-]{8,64}$/.test(given) ? given : randomUUID();
}
