import { createRemoteJWKSet, customFetch, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Logger } from 'pino';
import type { IdentityProvider } from '../../config/token-config.ts';
import { AppError } from '../../lib/errors.ts';
import type { Meters } from '../../telemetry/meters.ts';
import { inSpan, SpanKind, traceHeaders } from '../../telemetry/tracing.ts';

/** The timeout of a request. */
const TIMEOUT_MS = 3_000;
/** How long to fail at once after a failed request. */
const RETRY_MS = 5_000;
/** The minimum interval between requests for keys that are not known, which forged tokens can name. */
const COOLDOWN_MS = 30_000;
/** The maximum age of the keys before they are fetched again, so that revoked keys stop being accepted. */
const REFRESH_MS = 10 * 60_000;

/**
 * The published keys of an identity provider. They are fetched with the first token, again when a token names an
 * unknown key, and periodically in the background. While the provider cannot be reached, cached keys stay valid, and
 * tokens with other keys are refused at once.
 */
export function providerKeys(
  { issuer, jwksUrl, audiences }: IdentityProvider,
  log: Logger,
  meters: Meters,
): JWTVerifyGetKey {
  if (audiences === undefined) {
    log.warn(
      { issuer },
      'tokens that this issuer creates for other applications are also accepted here; set JWT_AUDIENCE',
    );
  }
  let retryAt = 0;
  let refreshAt = 0;
  let fetchedAt = 0;
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    // Otherwise, old keys could not be used during an outage.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: async (url, options) => {
      if (Date.now() < retryAt) throw new Error('The provider could not be reached a moment ago');
      refreshAt = Date.now() + REFRESH_MS;
      const send = () => fetch(url, { ...options, headers: withTrace(options.headers) });
      const response = await inSpan('fetch keys', { kind: SpanKind.CLIENT }, send);
      fetchedAt = Date.now();
      if (response.ok) meters.keysFetched(issuer, true);
      return response;
    },
  });
  const recordFailure = (error: unknown) => {
    if (Date.now() < retryAt) return;
    meters.keysFetched(issuer, false);
    retryAt = refreshAt = Date.now() + RETRY_MS;
    log.warn({ err: error, issuer, url: jwksUrl }, 'the keys of an identity provider cannot be fetched');
  };
  return async (header, token) => {
    if (keys.fresh && Date.now() >= refreshAt) keys.reload().catch(recordFailure);
    const isRecent = keys.coolingDown;
    try {
      return await keys(header, token);
    } catch (error) {
      if (isRecent && error instanceof errors.JWKSNoMatchingKey && !isPublished(header.kid, keys.jwks())) {
        // The key may have been published since. Clients sign people out on UNAUTHENTICATED.
        const leftMs = Math.max(fetchedAt + COOLDOWN_MS - Date.now(), 0);
        throw notVerified("its key was not among its issuer's keys a moment ago", leftMs + 1000, error);
      }
      if (isOfToken(error)) throw error;
      recordFailure(error);
      throw notVerified("its issuer's keys cannot be fetched", RETRY_MS, error);
    }
  };
}

/** Tells the provider which trace the request belongs to. */
function withTrace(given: HeadersInit | undefined): Headers {
  const headers = new Headers(given);
  for (const [name, value] of Object.entries(traceHeaders())) headers.set(name, value);
  return headers;
}

function notVerified(reason: string, retryAfterMs: number, cause: unknown): AppError {
  return new AppError('SERVER_BUSY', `The token cannot be verified because ${reason}. Try again in a moment.`, {
    cause,
    details: { retryAfterMs },
  });
}

/** Whether a key with this id is published. A token that names no key cannot mean one that is not published yet. */
function isPublished(kid: unknown, published: JSONWebKeySet | undefined): boolean {
  return typeof kid !== 'string' || published?.keys.some((key) => key.kid === kid) === true;
}

/** Whether the error is due to the token rather than the request for the keys. */
function isOfToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
