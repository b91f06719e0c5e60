import type { JWK } from 'jose';
import type { Route } from './use-routes.ts';

/** How long others may keep the keys, in seconds: a new key is published at least this long before it signs. */
const MAX_AGE_SECONDS = 300;

/**
 * `/.well-known/jwks.json`: the public keys that tokens are verified with, for services that verify them too.
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
      // Which anybody may read, from any page. Those of a listed origin are named instead, which is no answer for others.
      'access-control-allow-origin': '*',
      vary: 'origin',
    };
    return new fetchAPI.Response(request.method === 'HEAD' ? null : body, { headers });
  };
}
