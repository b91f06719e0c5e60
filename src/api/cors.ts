import type { CORSOptions } from 'graphql-yoga';

/** Which other origins may read our responses. */
export interface AllowedOrigins {
  readonly corsOrigins: readonly string[];
  /** Whether pages of this machine may, from any port: for frontends in development. */
  readonly allowsLocalPages: boolean;
}

/**
 * Yoga's setting for the origins. It decides only whether an origin is allowed, because Yoga would answer any other with
 * `null`, which is the origin of every sandboxed frame.
 */
export function corsOf(allowed: AllowedOrigins): false | ((request: Request) => CORSOptions) {
  if (allowed.corsOrigins.length === 0 && !allowed.allowsLocalPages) return false;
  return (request) => {
    const origin = request.headers.get('origin');
    const isAllowed = origin !== null && isAllowedOrigin(allowed, origin);
    // Without a list, Yoga repeats the request's origin.
    return isAllowed && { credentials: true, methods: ['GET', 'POST', ...methodsOf(request)] };
  };
}

/** Whether pages of an origin may read responses. */
export function isAllowedOrigin({ corsOrigins, allowsLocalPages }: AllowedOrigins, origin: string): boolean {
  return corsOrigins.includes(origin) || (allowsLocalPages && isLocalOrigin(origin));
}

/** Only clients of event streams send these. */
function methodsOf({ url }: Request): string[] {
  return URL.parse(url)?.pathname === '/graphql/stream' ? ['PUT', 'DELETE'] : [];
}

function isLocalOrigin(origin: string): boolean {
  const url = URL.parse(origin);
  return url !== null && ['http:', 'https:'].includes(url.protocol) && isLocalHost(url.hostname);
}

/** Whether a host name or address, as in `HOST` or a URL, refers to this machine only. */
export function isLocalHost(host: string): boolean {
  return ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host.toLowerCase());
}
