import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose';
import { AppError } from '../errors.ts';
import type { TokenKey, TokenKeys } from './token-keys.ts';

/** What a verified token says of its bearer. */
export interface TokenClaims {
  readonly subject: string | undefined;
  readonly email: string | undefined;
  /** The id or slug of the tenant that the token names. */
  readonly tenant: string | undefined;
  readonly role: string | undefined;
  readonly isPlatformAdmin: boolean;
  /** When the token ends; undefined if it never does. */
  readonly expiresAt: Date | undefined;
  /** The session in which this installation gave it to one of its users. */
  readonly session: string | undefined;
}

/** Who the caller is, and which of the token's claims are believed: a user's role and rights are not the token's to say. */
export interface Identity extends TokenClaims {
  /** Undefined for a bearer who is no user of this installation. */
  readonly user: { readonly id: string } | undefined;
}

/** What tokens must say. One without an expiry is good for ever; one with an expiry, until then. */
export interface TokenRules {
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** Path of the tenant's claim, such as `app_metadata.tenant`. */
  readonly tenantClaim: string;
}

/** What a new token is to say. */
export interface TokenRequest {
  readonly subject?: string | undefined;
  readonly email?: string | undefined;
  readonly tenant?: string | undefined;
  readonly role?: string | undefined;
  readonly platformAdmin?: boolean;
  readonly session?: string | undefined;
  /** As `2h` or `30 days`, or the moment. */
  readonly expiresIn: string | Date;
}

/** Verifies tokens, and makes them where the private key is at hand. */
export interface Tokens {
  /** Whether there is a key to sign with. */
  readonly canIssue: boolean;
  /** @throws {AppError} UNAUTHENTICATED, saying what is wrong with the token */
  verify(token: string): Promise<TokenClaims>;
  /** @throws {AppError} BAD_USER_INPUT if there is no key to sign with */
  issue(request: TokenRequest): Promise<string>;
}

/** What identity providers sign with: no shared secrets, for those would be published with the key set. */
const jwksAlgorithms = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
];

const CLOCK_TOLERANCE_SECONDS = 5;

/** The claim that makes a token a platform admin's. */
const ADMIN_CLAIM = 'platform_admin';

/** The claim with the session that a token is of. Identity providers have claims of other names for theirs. */
const SESSION_CLAIM = 'tenantry_session';

export function createTokens(keys: TokenKeys, rules: TokenRules): Tokens {
  const options = {
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    ...(rules.issuer !== undefined && { issuer: rules.issuer }),
    ...(rules.audience !== undefined && { audience: rules.audience }),
  };
  return {
    canIssue: keys.sign !== undefined,
    async verify(token) {
      try {
        const { payload } = keys.remote
          ? await jwtVerify(token, keys.remote, { ...options, algorithms: jwksAlgorithms })
          : await verifyWithAny(keys.verify, token, options);
        return claimsOf(payload, rules.tenantClaim);
      } catch (error) {
        throw unauthenticated(error);
      }
    },
    async issue(request) {
      if (!keys.sign) {
        throw new AppError(
          'BAD_USER_INPUT',
          'Tokens cannot be made here, for there is no private key; set JWT_PRIVATE_KEY or JWT_SECRET',
        );
      }
      const [kid] = keys.sign.ids;
      const jwt = new SignJWT({
        ...(request.email !== undefined && { email: request.email }),
        ...(request.role !== undefined && { role: request.role }),
        ...(request.platformAdmin && { [ADMIN_CLAIM]: true }),
        ...(request.session !== undefined && { [SESSION_CLAIM]: request.session }),
        ...(request.tenant !== undefined && claimAt(rules.tenantClaim, request.tenant)),
      })
        .setProtectedHeader({ alg: keys.sign.algorithm, ...(kid !== undefined && { kid }) })
        .setIssuedAt()
        .setExpirationTime(request.expiresIn);
      if (request.subject !== undefined) jwt.setSubject(request.subject);
      if (rules.issuer !== undefined) jwt.setIssuer(rules.issuer);
      if (rules.audience !== undefined) jwt.setAudience(rules.audience);
      return jwt.sign(keys.sign.key);
    },
  };
}

/** Verifies a token with the key that it names. One that names none of ours may be of any, for other makers have other names. */
async function verifyWithAny(
  keys: readonly TokenKey[],
  token: string,
  options: JWTVerifyOptions,
): Promise<{ payload: JWTPayload }> {
  const { kid, alg } = decodeProtectedHeader(token);
  const named = keys.filter(({ ids }) => kid !== undefined && ids.includes(kid));
  const candidates = named.length > 0 ? named : keys.filter(({ algorithm }) => algorithm === alg);
  let refusal: unknown = new errors.JWSSignatureVerificationFailed();
  for (const { key, algorithm } of candidates) {
    try {
      return await jwtVerify(token, key, { ...options, algorithms: [algorithm] });
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/**
 * The value of a claim that is a text, and may lie inside others; undefined if it is not there, or null.
 * @param claimPath names joined by dots; a claim whose own name has dots, such as a URL, is found too
 * @throws {AppError} UNAUTHENTICATED if it is anything else: a token that means to name something must not count as one that
 *   names nothing
 */
export function readClaim(payload: Readonly<Record<string, unknown>>, claimPath: string): string | undefined {
  const value = valueAt(payload, claimPath);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw new AppError('UNAUTHENTICATED', `The token's claim ${claimPath} must be a text that is not empty`);
}

function valueAt(payload: Readonly<Record<string, unknown>>, claimPath: string): unknown {
  if (Object.hasOwn(payload, claimPath)) return payload[claimPath];
  let value: unknown = payload;
  for (const name of claimPath.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

/** The claims that {@link readClaim} finds `value` in. */
export function claimAt(claimPath: string, value: string): Record<string, unknown> {
  return claimPath
    .split('.')
    .reduceRight<unknown>((inner, name) => Object.fromEntries([[name, inner]]), value) as Record<string, unknown>;
}

function claimsOf(payload: JWTPayload, tenantClaim: string): TokenClaims {
  return {
    subject: payload.sub,
    email: text(payload.email),
    tenant: readClaim(payload, tenantClaim),
    role: text(payload.role),
    isPlatformAdmin: payload[ADMIN_CLAIM] === true,
    expiresAt: payload.exp === undefined ? undefined : new Date(payload.exp * 1000),
    session: text(payload[SESSION_CLAIM]),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function unauthenticated(error: unknown): AppError {
  if (error instanceof errors.JWTExpired)
    return new AppError('UNAUTHENTICATED', 'The token has expired', { cause: error });
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new AppError('UNAUTHENTICATED', `The token's claim ${error.claim} is not as it should be`, { cause: error });
  }
  if (error instanceof AppError) return error;
  return new AppError('UNAUTHENTICATED', 'The token cannot be verified', { cause: error });
}
