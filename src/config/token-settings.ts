import { z } from 'zod';
import { claimPath, flag, identityProviders, integer, type Setting, secret, texts } from './setting-types.ts';

/** The settings of tokens: who issues them, and which claims are read. */
export const tokenSettings = {
  JWT_SECRET: {
    schema: secret,
    absent: 'a key pair in DATA_DIR, in development',
    meaning: 'shared secret of at least 32 bytes that signs and verifies tokens (HS256)',
  },
  JWT_PRIVATE_KEY: {
    schema: z.string(),
    absent: 'tokens are verified but not issued, unless JWT_SECRET is set or this is development',
    meaning: 'PEM or JWK of the key that signs tokens, preferably Ed25519; \\n stands for a line break',
  },
  JWT_PUBLIC_KEY: {
    schema: z.string(),
    absent: 'the public key of JWT_PRIVATE_KEY',
    meaning:
      'keys that verify tokens, including the public key of JWT_PRIVATE_KEY: concatenated PEMs, a JWK or a set of JWKs; /.well-known/jwks.json publishes them',
  },
  JWT_JWKS_URL: {
    schema: identityProviders,
    absent: 'there is no identity provider',
    meaning:
      'URL where an identity provider publishes its keys; or a JSON list of providers, each of which may override the settings below: [{"issuer": "https://id.example.com/", "url": "https://id.example.com/.well-known/jwks.json", "audience": …, "userClaim": …, "emailClaim": …, "emailVerifiedClaim": …, "tenantClaim": …, "rolesClaim": …, "linkByEmail": true}]',
  },
  JWT_ISSUER: {
    schema: z.string(),
    absent: 'any issuer',
    meaning:
      "issuer that tokens must name: that of tokens issued here, or the identity provider's if JWT_JWKS_URL is a URL",
  },
  JWT_AUDIENCE: {
    schema: texts,
    absent:
      'any audience, so tokens that a provider issued for other applications are accepted too; production requires * for that',
    meaning:
      'audiences, separated by commas, of which tokens must name one; tokens issued here name the first; * for any',
  },
  ALLOW_TOKENS_WITHOUT_EXP: {
    schema: flag,
    default: 'false',
    meaning:
      "whether tokens that never expire are accepted if they are signed with this installation's keys; those of platform admins and identity providers never are",
  },
  MAX_ADMIN_TOKEN_HOURS: {
    schema: integer(1, 876_600),
    default: '24',
    meaning: "maximum lifetime of a platform admin's token, in hours; tokens with a longer lifetime are rejected",
  },
  USER_CLAIM: {
    schema: claimPath,
    default: 'sub',
    meaning: 'path of the claim that identifies a person at an identity provider',
  },
  EMAIL_CLAIM: {
    schema: claimPath,
    default: 'email',
    meaning: "path of the claim with a person's email address at an identity provider",
  },
  EMAIL_VERIFIED_CLAIM: {
    schema: claimPath,
    default: 'email_verified',
    meaning: 'path of the claim that says whether the email address is verified; unverified addresses are ignored',
  },
  TENANT_CLAIM: {
    schema: claimPath,
    default: 'tenant',
    meaning:
      "path of the claim with the tenant's id or slug, such as app_metadata.tenant or https://app.example.com/tenant",
  },
  ROLES_CLAIM: {
    schema: claimPath,
    default: 'role',
    meaning:
      "path of the claim with the role in the tenant, or a list of roles: OWNER, ADMIN or MEMBER (identity providers may use lower case), or names of the tenant's own roles",
  },
  TRUST_TENANT_CLAIM: {
    schema: flag,
    default: 'true',
    meaning:
      'whether the tenant and the roles in a token are trusted if an identity provider issued it or it belongs to no user of this installation; for users who sign in here, only memberships count',
  },
  TRUST_ADMIN_CLAIM: {
    schema: flag,
    absent: "no for tokens of identity providers, yes for tokens signed with this installation's keys",
    meaning: 'whether the claim platform_admin is trusted in tokens that belong to no account of this installation',
  },
  LINK_BY_EMAIL: {
    schema: flag,
    default: 'false',
    meaning:
      "whether the first request of an identity provider's user is linked to the account with the same verified email address; that account loses its password and sessions, and accounts of platform admins are never linked",
  },
} as const satisfies Record<string, Setting>;
