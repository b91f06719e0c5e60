import { decodeJwt, errors, type JWTPayload, type JWTVerifyOptions, SignJWT } from 'jose';
import type { Logger } from 'pino';
import type { MemberRole } from '../../catalog/entities/membership.entity.ts';
import type { IdentityProvider, TokenConfig } from '../../config/token-config.ts';
import { AppError } from '../../lib/errors.ts';
import { type Meters, noMeters } from '../../telemetry/meters.ts';
import { claimAt, memberRoleOf, providersRoleOf, readClaim, readFlag, readText, readTexts } from './claims.ts';
import { providerKeys } from './jwks.ts';
import type { TokenKeys } from './keys.ts';
import { type VerifiedToken, VerifiedTokens } from './verified-tokens.ts';
import { verifyWithAny, verifyWithPublished } from './verify-signature.ts';

/** The claims of a verified token. */
export interface TokenClaims {
  /** The identity provider that issued it; undefined for this installation's own keys. */
  readonly provider: IdentityProvider | undefined;
  readonly subject: string | undefined;
  readonly email: string | undefined;
  /** Whether the identity provider has verified the address. */
  readonly emailVerified: boolean;
  readonly name: string | undefined;
  /** The id or slug of the tenant in the token. */
  readonly tenant: string | undefined;
  /** The first of OWNER, ADMIN and MEMBER that `roles` contains. */
  readonly role: MemberRole | undefined;
  readonly roles: readonly string[];
  readonly isPlatformAdmin: boolean;
  /** When the token was issued; undefined if it does not say. */
  readonly issuedAt: Date | undefined;
  /** When the token expires; undefined if it does not. */
  readonly expiresAt: Date | undefined;
  /** The session in which this installation issued it to a user. */
  readonly session: string | undefined;
}

/** The caller, with the trusted claims of the token. A user's role and rights never come from the token. */
export interface Identity extends TokenClaims {
  /** Undefined if the bearer is not a user of this installation. */
  readonly user: { readonly id: string } | undefined;
  /**
   * Whether the token makes its bearer a member of the tenant that it names, with its roles; otherwise memberships
   * decide.
   */
  readonly isMemberByClaim: boolean;
}

/** The claims of a new token. */
export interface TokenRequest {
  readonly subject?: string | undefined;
  readonly email?: string | undefined;
  readonly tenant?: string | undefined;
  readonly role?: string | undefined;
  readonly platformAdmin?: boolean;
  readonly session?: string | undefined;
  /** A duration such as `2h` or `30 days`, or a time. */
  readonly expiresIn: string | Date;
}

/** Verifies tokens, and issues them if there is a private key. */
export interface Tokens {
  /** Whether there is a key to sign with. */
  readonly canIssue: boolean;
  /**
   * Verifies a token.
   * @throws {AppError} UNAUTHENTICATED with the reason, or SERVER_BUSY while the required keys cannot be fetched
   */
  verify(token: string): Promise<TokenClaims>;
  /**
   * Issues a token.
   * @throws {AppError} BAD_USER_INPUT if there is no key to sign with
   */
  issue(request: TokenRequest): Promise<string>;
}

/** The algorithms of identity providers: no shared secrets, because they would be published with the key set. */
const providerAlgorithms = [
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

const mustExpire = { requiredClaims: ['exp'] };

/** The claim that makes the bearer a platform admin. */
const ADMIN_CLAIM = 'platform_admin';

/** The claim with the token's session; only in this installation's own tokens. */
const SESSION_CLAIM = 'tenantry_session';

const ownClaims = { user: 'sub', email: 'email', emailVerified: 'email_verified' } as const;

/**
 * Creates the verifier and issuer of tokens.
 * @param rules the required claims
 * @param log receives a warning if an identity provider cannot be reached
 * @param meters count the requests for its keys; by default nothing does
 */
export function createTokens(
  keys: TokenKeys,
  rules: Omit<TokenConfig, 'keys'>,
  log: Logger,
  meters: Meters = noMeters,
): Tokens {
  const claims = { ...ownClaims, ...rules.claims };
  const providers = new Map(
    rules.providers.map((provider) => [provider.issuer, { provider, keys: providerKeys(provider, log, meters) }]),
  );
  const verified = new VerifiedTokens<TokenClaims>();
  const remember = (token: string, claims: TokenClaims, isKeyCurrent: VerifiedToken<TokenClaims>['isKeyCurrent']) => {
    const { expiresAt } = claims;
    const acceptedUntil = expiresAt ? expiresAt.getTime() + CLOCK_TOLERANCE_SECONDS * 1000 : Number.POSITIVE_INFINITY;
    verified.remember(token, { claims, acceptedUntil, isKeyCurrent });
    return claims;
  };
  return {
    canIssue: keys.sign !== undefined,
    async verify(token) {
      let issuer: string | undefined;
      try {
        const known = await verified.find(token);
        if (known) return known;
        // The key id must not decide who signed a token: the issuer selects the keys, and is verified with them.
        issuer = providers.size > 0 ? decodeJwt(token).iss : undefined;
        const source = issuer === undefined ? undefined : providers.get(issuer);
        if (!source) {
          const options = { ...optionsOf(rules), ...(!rules.allowWithoutExpiry && mustExpire) };
          const payload = await verifyWithAny(keys.verify, token, options);
          const session = readText(payload, SESSION_CLAIM);
          return remember(token, { ...claimsOf(payload, claims), provider: undefined, session }, undefined);
        }
        const { provider } = source;
        const options = { ...optionsOf(provider), algorithms: providerAlgorithms, ...mustExpire };
        const { payload, isKeyCurrent } = await verifyWithPublished(source.keys, token, options);
        const providerClaims = claimsOf(payload, provider.claims);
        const role = providersRoleOf(providerClaims.roles);
        const result = { ...providerClaims, role, provider, session: undefined };
        return isKeyCurrent ? remember(token, result, isKeyCurrent) : result;
      } catch (error) {
        const isKnown = issuer === undefined || issuer === rules.issuer || providers.has(issuer);
        throw unauthenticated(error, isKnown ? undefined : issuer);
      }
    },
    async issue(request) {
      if (!keys.sign) {
        throw new AppError(
          'BAD_USER_INPUT',
          'Tokens cannot be issued because there is no private key. Set JWT_PRIVATE_KEY or JWT_SECRET.',
        );
      }
      const [kid] = keys.sign.ids;
      const { tenant, role } = request;
      const tenantClaims = tenant === undefined ? {} : claimAt(claims.tenant, tenant);
      const jwt = new SignJWT({
        ...(role === undefined ? tenantClaims : claimAt(claims.roles, role, tenantClaims)),
        ...(request.email !== undefined && { email: request.email }),
        ...(request.platformAdmin && { [ADMIN_CLAIM]: true }),
        ...(request.session !== undefined && { [SESSION_CLAIM]: request.session }),
      })
        .setProtectedHeader({ alg: keys.sign.algorithm, ...(kid !== undefined && { kid }) })
        .setIssuedAt()
        .setExpirationTime(request.expiresIn);
      if (request.subject !== undefined) jwt.setSubject(request.subject);
      if (rules.issuer !== undefined) jwt.setIssuer(rules.issuer);
      const [audience] = rules.audiences ?? [];
      if (audience !== undefined) jwt.setAudience(audience);
      return jwt.sign(keys.sign.key);
    },
  };
}

/** The required issuer and audiences of a token. */
function optionsOf({ issuer, audiences }: Pick<TokenConfig, 'issuer' | 'audiences'>): JWTVerifyOptions {
  return {
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    ...(issuer !== undefined && { issuer }),
    ...(audiences !== undefined && { audience: [...audiences] }),
  };
}

function claimsOf(payload: JWTPayload, paths: IdentityProvider['claims']): Omit<TokenClaims, 'provider' | 'session'> {
  const roles = readTexts(payload, paths.roles);
  return {
    subject: readText(payload, paths.user),
    email: readText(payload, paths.email),
    emailVerified: readFlag(payload, paths.emailVerified),
    name: readText(payload, 'name'),
    tenant: readClaim(payload, paths.tenant),
    role: memberRoleOf(roles),
    roles,
    isPlatformAdmin: payload[ADMIN_CLAIM] === true,
    issuedAt: dateOf(payload.iat),
    expiresAt: dateOf(payload.exp),
  };
}

/** The latest time that a Date can hold, in milliseconds. */
const LATEST_MS = 8.64e15;

/** Later times than a Date can hold become the latest one, and earlier ones the earliest. */
function dateOf(seconds: number | undefined): Date | undefined {
  return seconds === undefined ? undefined : new Date(Math.min(Math.max(seconds * 1000, -LATEST_MS), LATEST_MS));
}

/** @param stranger the issuer in the token, if it is unknown here */
function unauthenticated(error: unknown, stranger: string | undefined): AppError {
  if (error instanceof errors.JWTExpired)
    return new AppError('UNAUTHENTICATED', 'The token has expired', { cause: error });
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'exp' && error.reason === 'missing') {
      const message = 'The token has no exp claim and would never expire. Such tokens are not accepted.';
      return new AppError('UNAUTHENTICATED', message, { cause: error });
    }
    return new AppError('UNAUTHENTICATED', `The token's claim ${error.claim} is invalid`, { cause: error });
  }
  if (error instanceof AppError) return error;
  if (error instanceof errors.JWSSignatureVerificationFailed && stranger !== undefined) {
    // In quotation marks, because often only a trailing slash is missing or extra.
    const message = `The token's issuer ${JSON.stringify(stranger)} is not one of this installation's identity providers`;
    return new AppError('UNAUTHENTICATED', message, { cause: error });
  }
  return new AppError('UNAUTHENTICATED', 'The token cannot be verified', { cause: error });
}
