import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import type { TokenKey } from './keys.ts';

/** The payload of a token whose signature and claims are valid. */
export interface VerifiedPayload {
  readonly payload: JWTPayload;
  /**
   * Whether the key that the token names is still the one that verified it. Asking also fetches the keys when that is
   * due, and throws the same errors. Undefined if the token names no single key.
   */
  readonly isKeyCurrent?: () => Promise<boolean>;
}

/**
 * Verifies a token with the key that it names. If its key id is not one of ours, every key with its algorithm is tried,
 * because other issuers use other key ids.
 */
export async function verifyWithAny(
  keys: readonly TokenKey[],
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  const { kid, alg } = decodeProtectedHeader(token);
  const named = keys.filter(({ ids }) => kid !== undefined && ids.includes(kid));
  const candidates = named.length > 0 ? named : keys.filter(({ algorithm }) => algorithm === alg);
  let refusal: unknown;
  for (const { key, algorithm } of candidates) {
    try {
      return (await jwtVerify(token, key, { ...options, algorithms: [algorithm] })).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      refusal = error;
    }
  }
  throw refusal ?? new errors.JWSSignatureVerificationFailed();
}

/** The maximum number of keys that are tried, since each costs a verification. */
const MAX_CANDIDATES = 10;

/** `getKey` is given the parts of a token and needs only its header. */
const noParts = { payload: '', signature: '' };

/** Verifies a token with the published key that it names, or with each one if it does not name a single one. */
export async function verifyWithPublished(
  keys: JWTVerifyGetKey,
  token: string,
  options: JWTVerifyOptions,
): Promise<VerifiedPayload> {
  try {
    const { payload, protectedHeader, key } = await jwtVerify(token, keys, options);
    const isKeyCurrent = async () => {
      try {
        // Keys that were fetched again are new objects.
        return (await keys(protectedHeader, noParts)) === key;
      } catch (error) {
        if (error instanceof errors.JWKSMultipleMatchingKeys) return false;
        throw error;
      }
    };
    return { payload, isKeyCurrent };
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tried = 0;
    for await (const key of error) {
      tried += 1;
      if (tried > MAX_CANDIDATES) break;
      try {
        return { payload: (await jwtVerify(token, key, options)).payload };
      } catch (refusal) {
        if (!(refusal instanceof errors.JWSSignatureVerificationFailed)) throw refusal;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}
