import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Whether a request may read the metrics.
 * @param authorization its header
 * @param token what it must have as a bearer token; undefined if no token is needed
 */
export function mayReadMetrics(authorization: string | null | undefined, token: string | undefined): boolean {
  if (token === undefined) return true;
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${token}`));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
