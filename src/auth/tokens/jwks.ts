import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import type { Logger } from 'pino';
import type { IdentityProvider } from '../../config/token-config.ts';
import { AppError } from '../../lib/errors.ts';

/** The timeout of a request. */
const TIMEOUT_MS = 3_000;
/** How long to fail at once after a failed request. */
const RETRY_MS = 5_000;
/** How long to refuse an unknown key after a request, without another request. */
const COOLDOWN_MS = 30_000;
/** The maximum age of the keys before they are fetched again, so that revoked keys stop being accepted. */
const REFRESH_MS = 10 * 60_000;

/**
 * The published keys of an identity provider. They are fetched with the first token, again when a token names an
 * unknown key, and periodically in the background. While the provider cannot be reached, cached keys stay valid, and
 * tokens with other keys are refused at once.
 */
export function providerKeys({ issuer, jwksUrl, audience }: IdentityProvider, log: Logger): JWTVerifyGetKey {
  if (audience === undefined) {
    log.warn(
      { issuer },
      'tokens that this issuer creates for other applications are also accepted here; set JWT_AUDIENCE',
    );
  }
  let retryAt = 0;
  let refreshAt = 0;
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    // Otherwise, old keys could not be used during an outage.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: async (url, options) => {
      if (Date.now() < retryAt) throw new Error('The provider could not be reached a moment ago');
      refreshAt = Date.now() + REFRESH_MS;
      return fetch(url, options);
    },
  });
  const recordFailure = (error: unknown) => {
    if (Date.now() < retryAt) return;
    retryAt = refreshAt = Date.now() + RETRY_MS;
    log.warn({ err: error, issuer, url: jwksUrl }, 'the keys of an identity provider cannot be fetched');
  };
  return async (header, token) => {
    if (keys.fresh && Date.now() >= refreshAt) keys.reload().catch(recordFailure);
    try {
      return await keys(header, token);
    } catch (error) {
      if (isOfToken(error)) throw error;
      recordFailure(error);
      throw new AppError(
        'SERVER_BUSY',
        "The token cannot be verified because its issuer's keys cannot be fetched. Try again in a moment.",
        { cause: error, details: { retryAfterMs: RETRY_MS } },
      );
    }
  };
}

/** Whether the error is due to the token rather than the request for the keys. */
function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
