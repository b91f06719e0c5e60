import type { CORSOptions } from 'graphql-yoga';

/**
 * Which pages of other origins may read what we answer: none, if no origin is given. Yoga, given the list, would answer the
 * others with the origin `null`, which is that of every sandboxed frame.
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

/** Whether a name or address, as `HOST` or a URL has it, is this machine alone. */
export function isLocalHost(host: string): boolean {
  return ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host.toLowerCase());
}
