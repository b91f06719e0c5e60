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
export function corsOf({ corsOrigins, allowsLocalPages }: AllowedOrigins): false | ((request: Request) => CORSOptions) {
  if (corsOrigins.length === 0 && !allowsLocalPages) return false;
  return (request) => {
    const origin = request.headers.get('origin');
    const isAllowed = origin !== null && (corsOrigins.includes(origin) || (allowsLocalPages && isLocalOrigin(origin)));
    // Without a list, Yoga repeats the request's origin.
    return isAllowed && { credentials: true, methods: ['GET', 'POST', ...methodsOf(request)] };
  };
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
