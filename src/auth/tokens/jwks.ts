import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import type { Logger } from 'pino';
import type { IdentityProvider } from '../../config/token-config.ts';
import { AppError } from '../../lib/errors.ts';

/** How long an answer may take. */
const TIMEOUT_MS = 3_000;
/** How long after a failure nobody is asked to wait for another try. */
const RETRY_MS = 5_000;
/** How long after an answer a key that is not in it is refused, and not looked for again. */
const COOLDOWN_MS = 30_000;
/** How old the keys may be until they are fetched again, so that one that was withdrawn is good no more. */
const REFRESH_MS = 10 * 60_000;

/**
 * The keys that an identity provider publishes: fetched with the first token, again when one names a key that is new, and now
 * and then in the background. While the provider cannot be reached the keys that are known stay good, and tokens of others
 * are refused without waiting.
 */
export function providerKeys({ issuer, jwksUrl, audience }: IdentityProvider, log: Logger): JWTVerifyGetKey {
  if (audience === undefined) {
    log.warn({ issuer }, 'tokens that this issuer makes for other applications are good here too; set JWT_AUDIENCE');
  }
  let retryAt = 0;
  let refreshAt = 0;
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    // Keys that are too old would be good for nothing during an outage.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: async (url, options) => {
      if (Date.now() < retryAt) throw new Error('It could not be reached a moment ago');
      refreshAt = Date.now() + REFRESH_MS;
      return fetch(url, options);
    },
  });
  const noteFailure = (error: unknown) => {
    if (Date.now() < retryAt) return;
    retryAt = refreshAt = Date.now() + RETRY_MS;
    log.warn({ err: error, issuer, url: jwksUrl }, 'the keys of an identity provider cannot be fetched');
  };
  return async (header, token) => {
    if (keys.fresh && Date.now() >= refreshAt) keys.reload().catch(noteFailure);
    try {
      return await keys(header, token);
    } catch (error) {
      if (isOfToken(error)) throw error;
      noteFailure(error);
      throw new AppError(
        'SERVER_BUSY',
        'The token cannot be verified at present, for the keys of its issuer cannot be fetched. Try again in a moment.',
        { cause: error, details: { retryAfterMs: RETRY_MS } },
      );
    }
  };
}

/** Whether the keys are known, and the token is of none of them. */
function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
