import type { CORSOptions, Plugin } from 'graphql-yoga';

/**
 * Which pages of other origins may read what we answer. Yoga, given the list, would answer the others with the origin
 * `null`, which is that of every sandboxed frame.
 */
export function corsOf(origins: readonly string[]): (request: Request) => CORSOptions {
  return (request) => {
    const origin = request.headers.get('origin');
    return (
      origin !== null &&
      origins.includes(origin) && { origin: [...origins], credentials: true, methods: ['GET', 'POST'] }
    );
  };
}

/**
 * Refuses what an HTML form can send. A page of any origin may send forms without asking first, so that mutations in them
 * would be open to request forgery as soon as somebody adds cookies. Of the three kinds of forms Yoga takes this one only.
 * @see https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS#simple_requests
 */
export function refuseForms(): Plugin {
  return {
    onRequest({ request, endResponse, fetchAPI }) {
      const type = request.headers.get('content-type')?.toLowerCase();
      if (type?.includes('application/x-www-form-urlencoded')) {
        endResponse(new fetchAPI.Response(null, { status: 415, headers: { accept: 'application/json' } }));
      }
    },
  };
}

/** Whether a name or address, as `HOST` or a URL has it, is this machine alone. */
export function isLocalHost(host: string): boolean {
  return ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host.toLowerCase());
}
