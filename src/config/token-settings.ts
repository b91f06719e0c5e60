import { z } from 'zod';
import { claimPath, flag, identityProviders, integer, type Setting, secret } from './setting-types.ts';

/** The settings of tokens: whose are good, and what they say where. */
export const tokenSettings = {
  JWT_SECRET: {
    schema: secret,
    absent: 'a key pair in DATA_DIR, in development',
    meaning: 'shared secret of at least 32 bytes (HS256)',
  },
  JWT_PRIVATE_KEY: {
    schema: z.string(),
    absent: 'tokens are verified but not made, unless JWT_SECRET is set or this is development',
    meaning: 'PEM or JWK of the key that signs tokens, best of Ed25519; \\n stands for a line end',
  },
  JWT_PUBLIC_KEY: {
    schema: z.string(),
    absent: 'that of JWT_PRIVATE_KEY',
    meaning:
      'PEMs one after the other, a JWK, or a set of JWKs: the keys that verify tokens, that of JWT_PRIVATE_KEY among them; /.well-known/jwks.json publishes them',
  },
  JWT_JWKS_URL: {
    schema: identityProviders,
    absent: 'there is no identity provider',
    meaning:
      'where an identity provider publishes its keys; or several providers, each with the settings below that are other than for the rest: [{"issuer": "https://id.example.com/", "url": "https://id.example.com/.well-known/jwks.json", "audience": …, "userClaim": …, "emailClaim": …, "emailVerifiedClaim": …, "tenantClaim": …, "rolesClaim": …, "linkByEmail": true}]',
  },
  JWT_ISSUER: {
    schema: z.string(),
    absent: 'any issuer',
    meaning: "the issuer that tokens must name: those made here, or the identity provider's if JWT_JWKS_URL is a URL",
  },
  JWT_AUDIENCE: {
    schema: z.string(),
    absent:
      'any audience, so that tokens which a provider made for other applications are good here too; in production that has to be said with *',
    meaning: 'the audience that tokens must name; * for any',
  },
  ALLOW_TOKENS_WITHOUT_EXP: {
    schema: flag,
    default: 'false',
    meaning:
      "whether a token of this installation's keys that never expires is good; one of a platform admin or an identity provider never is",
  },
  MAX_ADMIN_TOKEN_HOURS: {
    schema: integer(1, 876_600),
    default: '24',
    meaning:
      'how long the token of a platform admin may be valid, from when it was made, in hours; longer ones are refused',
  },
  USER_CLAIM: {
    schema: claimPath,
    default: 'sub',
    meaning: 'path of the claim by which an identity provider tells people apart',
  },
  EMAIL_CLAIM: {
    schema: claimPath,
    default: 'email',
    meaning: "path of the claim with a person's address at an identity provider",
  },
  EMAIL_VERIFIED_CLAIM: {
    schema: claimPath,
    default: 'email_verified',
    meaning: 'path of the claim that says that the address is the person’s; one that is not is not believed',
  },
  TENANT_CLAIM: {
    schema: claimPath,
    default: 'tenant',
    meaning:
      "path of the claim that holds the tenant's id or slug, such as app_metadata.tenant or https://app.example.com/tenant",
  },
  ROLES_CLAIM: {
    schema: claimPath,
    default: 'role',
    meaning:
      'path of the claim with the role in the tenant, or a list of roles: OWNER, ADMIN or MEMBER, at identity providers also in lower case, and names of roles of the tenant’s own',
  },
  TRUST_TENANT_CLAIM: {
    schema: flag,
    default: 'true',
    meaning:
      'whether the token of an identity provider, or one that belongs to no user of this installation, makes its bearer a member of the tenant that it names, with the roles that it claims; of those who sign in here only memberships tell',
  },
  TRUST_ADMIN_CLAIM: {
    schema: flag,
    absent: 'no for the tokens of identity providers, yes for those of this installation’s keys',
    meaning:
      'whether the claim platform_admin makes a platform admin of the bearer of a token that is no account’s of this installation',
  },
  LINK_BY_EMAIL: {
    schema: flag,
    default: 'false',
    meaning:
      'whether a person of an identity provider gets, at the first request, the account here that has the same verified email address; its password and sessions end then, and platform admins’ accounts are never given away',
  },
} as const satisfies Record<string, Setting>;
