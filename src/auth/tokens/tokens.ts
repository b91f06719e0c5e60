import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { Logger } from 'pino';
import type { IdentityProvider, TokenConfig } from '../../config/token-config.ts';
import { AppError } from '../../lib/errors.ts';
import { claimAt, memberRoleOf, providersRoleOf, readClaim, readFlag, readText, readTexts } from './claims.ts';
import { providerKeys } from './jwks.ts';
import type { TokenKey, TokenKeys } from './keys.ts';

/** What a verified token says of its bearer. */
export interface TokenClaims {
  /** Who made it, if it was not made with a key of this installation. */
  readonly provider: IdentityProvider | undefined;
  readonly subject: string | undefined;
  readonly email: string | undefined;
  /** Whether an identity provider says that the address is the bearer's. */
  readonly emailVerified: boolean;
  readonly name: string | undefined;
  /** The id or slug of the tenant that the token names. */
  readonly tenant: string | undefined;
  /** OWNER, ADMIN or MEMBER, if one of them is among `roles`. */
  readonly role: string | undefined;
  readonly roles: readonly string[];
  readonly isPlatformAdmin: boolean;
  /** When the token was made, if it says so. */
  readonly issuedAt: Date | undefined;
  /** When the token ends; undefined if it never does. */
  readonly expiresAt: Date | undefined;
  /** The session in which this installation gave it to one of its users. */
  readonly session: string | undefined;
}

/** Who the caller is, and which of the token's claims are believed: a user's role and rights are not the token's to say. */
export interface Identity extends TokenClaims {
  /** Undefined for a bearer who is no user of this installation. */
  readonly user: { readonly id: string } | undefined;
  /** Whether the token makes its bearer a member of the tenant that it names, with its roles; else memberships tell. */
  readonly isMemberByClaim: boolean;
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
  /**
   * @throws {AppError} UNAUTHENTICATED, saying what is wrong with the token, or SERVER_BUSY while the keys that it needs cannot
   *   be fetched
   */
  verify(token: string): Promise<TokenClaims>;
  /** @throws {AppError} BAD_USER_INPUT if there is no key to sign with */
  issue(request: TokenRequest): Promise<string>;
}

/** What identity providers sign with: no shared secrets, for those would be published with the key set. */
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

/** The claim that makes a token a platform admin's. */
const ADMIN_CLAIM = 'platform_admin';

/** The claim with the session that a token is of. Only this installation's own tokens have any. */
const SESSION_CLAIM = 'tenantry_session';

const ownClaims = { user: 'sub', email: 'email', emailVerified: 'email_verified' } as const;

/**
 * @param rules what tokens must say
 * @param log where it is written that an identity provider cannot be reached
 */
export function createTokens(keys: TokenKeys, rules: Omit<TokenConfig, 'keys'>, log: Logger): Tokens {
  const claims = { ...ownClaims, ...rules.claims };
  const providers = new Map(
    rules.providers.map((provider) => [provider.issuer, { provider, keys: providerKeys(provider, log) }]),
  );
  return {
    canIssue: keys.sign !== undefined,
    async verify(token) {
      let issuer: string | undefined;
      try {
        // Who signed a token must not be for its key id to say: the issuer chooses the keys, and is verified with them.
        issuer = providers.size > 0 ? decodeJwt(token).iss : undefined;
        const source = issuer === undefined ? undefined : providers.get(issuer);
        if (!source) {
          const options = { ...optionsOf(rules), ...(!rules.allowWithoutExpiry && mustExpire) };
          const payload = await verifyWithAny(keys.verify, token, options);
          return { ...claimsOf(payload, claims), provider: undefined, session: readText(payload, SESSION_CLAIM) };
        }
        const { provider } = source;
        const options = { ...optionsOf(provider), algorithms: providerAlgorithms, ...mustExpire };
        const { payload } = await jwtVerify(token, source.keys, options);
        const said = claimsOf(payload, provider.claims);
        return { ...said, role: providersRoleOf(said.roles), provider, session: undefined };
      } catch (error) {
        const isKnown = issuer === undefined || issuer === rules.issuer || providers.has(issuer);
        throw unauthenticated(error, isKnown ? undefined : issuer);
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
      const { tenant, role } = request;
      const place = tenant === undefined ? {} : claimAt(claims.tenant, tenant);
      const jwt = new SignJWT({
        ...(role === undefined ? place : claimAt(claims.roles, role, place)),
        ...(request.email !== undefined && { email: request.email }),
        ...(request.platformAdmin && { [ADMIN_CLAIM]: true }),
        ...(request.session !== undefined && { [SESSION_CLAIM]: request.session }),
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

/** What a token must say of its issuer and audience. */
function optionsOf({ issuer, audience }: Pick<TokenConfig, 'issuer' | 'audience'>): JWTVerifyOptions {
  return {
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  };
}

/** Verifies a token with the key that it names. One that names none of ours may be of any, for other makers have other names. */
async function verifyWithAny(keys: readonly TokenKey[], token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
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

function dateOf(seconds: number | undefined): Date | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1000);
}

/** @param stranger the issuer that the token names, if nobody here has that name */
function unauthenticated(error: unknown, stranger: string | undefined): AppError {
  if (error instanceof errors.JWTExpired)
    return new AppError('UNAUTHENTICATED', 'The token has expired', { cause: error });
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'exp' && error.reason === 'missing') {
      const message = 'The token has no claim exp, so that it never expires, and is not accepted';
      return new AppError('UNAUTHENTICATED', message, { cause: error });
    }
    return new AppError('UNAUTHENTICATED', `The token's claim ${error.claim} is not as it should be`, { cause: error });
  }
  if (error instanceof AppError) return error;
  if (error instanceof errors.JWSSignatureVerificationFailed && stranger !== undefined) {
    // In quotation marks, for it is often the slash at the end that is missing, or is too much.
    const message = `The token's issuer ${JSON.stringify(stranger)} is none of this installation's identity providers`;
    return new AppError('UNAUTHENTICATED', message, { cause: error });
  }
  return new AppError('UNAUTHENTICATED', 'The token cannot be verified', { cause: error });
}
