import type { CORSOptions } from 'graphql-yoga';

/**
 * Which other origins may read our responses: none, if no origin is configured. If Yoga were given the list, it would
 * answer other origins with `null`, which is the origin of every sandboxed frame.
 */
export function corsOf(origins: readonly string[]): false | ((request: Request) => CORSOptions) {
  if (origins.length === 0) return false;
  return (request) => {
    const origin = request.headers.get('origin');
    return (
      origin !== null &&
      origins.includes(origin) && { origin: [...origins], credentials: true, methods: ['GET', 'POST'] }
    );
  };
}

/** Whether a host name or address, as in `HOST` or a URL, refers to this machine only. */
export function isLocalHost(host: string): boolean {
  return ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host.toLowerCase());
}
