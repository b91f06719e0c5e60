import type { JWK } from 'jose';
import type { Route } from './use-routes.ts';

/** How long clients may cache the keys, in seconds. A new key is published at least this long before it signs. */
const MAX_AGE_SECONDS = 300;

/**
 * Serves `/.well-known/jwks.json`: the public keys of this installation's tokens, for other services that verify them.
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export function jwksRoute(keys: readonly JWK[]): Route {
  const body = JSON.stringify({ keys });
  return (request, fetchAPI) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new fetchAPI.Response(null, { status: 405, headers: { allow: 'GET, HEAD' } });
    }
    const headers = {
      'content-type': 'application/jwk-set+json',
      'cache-control': `public, max-age=${MAX_AGE_SECONDS}`,
      // Any page may read the keys. The CORS plugin answers listed origins by name, and such a response is not valid
      // for others.
      'access-control-allow-origin': '*',
      vary: 'origin',
    };
    return new fetchAPI.Response(request.method === 'HEAD' ? null : body, { headers });
  };
}
