import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** The approximate size limit of the cache, in bytes. */
const MAX_BYTES = 16 * 1024 * 1024;
/** The size of an entry without its claims. */
const ENTRY_BYTES = 1_000;

/** A token whose signature and claims were valid. */
export interface VerifiedToken<Claims> {
  readonly claims: Claims;
  /** Until when it is accepted, in milliseconds since 1970. */
  readonly acceptedUntil: number;
  /** Whether the key that verified it still belongs to its issuer; undefined for a key that cannot change while this process runs. */
  readonly isKeyCurrent: (() => Promise<boolean>) | undefined;
}

/**
 * Remembers which tokens were verified, so that a client that sends the same token with each request does not pay for
 * its signature each time. Only what cannot change is remembered: whether the user, the session and the memberships
 * still exist is checked for each request. Tokens that were refused are not remembered.
 */
export class VerifiedTokens<Claims> {
  /** By the hash of the token, so that a dump of the memory contains no usable token because of this cache. */
  readonly #entries = new LRUCache<string, VerifiedToken<Claims>>({ maxSize: MAX_BYTES });

  /** Returns the claims of a token that was verified before and would be accepted again. */
  async find(token: string): Promise<Claims | undefined> {
    const key = keyOf(token);
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const { claims, acceptedUntil, isKeyCurrent } = entry;
    if (Date.now() < acceptedUntil && (isKeyCurrent === undefined || (await isKeyCurrent()))) return claims;
    this.#entries.delete(key);
    return undefined;
  }

  /** Remembers a token. The claims take about as much memory as the token. */
  remember(token: string, entry: VerifiedToken<Claims>): void {
    this.#entries.set(keyOf(token), entry, { size: ENTRY_BYTES + 2 * token.length });
  }
}

function keyOf(token: string): string {
  return hash('sha256', token, 'base64');
}
