import type { SettingValues } from './settings.ts';

/** The token issuers and the claims that are read. */
export interface TokenConfig {
  readonly keys: KeySource;
  /** The issuer of this installation's own tokens, which they must name. */
  readonly issuer: string | undefined;
  /** The audiences of which its tokens must name one; undefined for any. */
  readonly audiences: readonly string[] | undefined;
  /** Whether a token that was signed with this installation's keys is accepted if it never expires. */
  readonly allowWithoutExpiry: boolean;
  readonly claims: Pick<ClaimPaths, 'tenant' | 'roles'>;
  readonly providers: readonly IdentityProvider[];
}

/** The source of the keys that verify, and may sign, this installation's own tokens. */
export type KeySource =
  | { readonly kind: 'secret'; readonly secret: string }
  /** PEMs, a JWK or a set of JWKs. Without public keys, only the private key's own public key verifies tokens. */
  | { readonly kind: 'keys'; readonly publicKeys: string | undefined; readonly privateKey: string | undefined }
  /** Generated in `dataDir`, in development. */
  | { readonly kind: 'folder' }
  /** Only identity providers issue tokens. */
  | { readonly kind: 'none' };

/** An external issuer of tokens. */
export interface IdentityProvider {
  /** The issuer that its tokens name. It determines the keys to verify them with. */
  readonly issuer: string;
  /** The URL where its keys are published. */
  readonly jwksUrl: string;
  /** The audiences of which its tokens must name one; undefined for any. */
  readonly audiences: readonly string[] | undefined;
  readonly claims: ClaimPaths;
  /** Whether a person is linked to the account with the same verified email address. */
  readonly linkByEmail: boolean;
}

/** The paths of claims, such as `sub` or `app_metadata.tenant`. */
export interface ClaimPaths {
  readonly user: string;
  readonly email: string;
  readonly emailVerified: string;
  readonly tenant: string;
  readonly roles: string;
}

/** Which claims are trusted in tokens that were not issued to a user of this installation. */
export interface TrustedClaims {
  /** That the bearer is a member of the tenant, with the roles in the token. */
  readonly tenant: boolean;
  /** That the bearer is a platform admin, in tokens that were signed with a key of this installation. */
  readonly admin: boolean;
  /** The same, in tokens of identity providers. */
  readonly adminOfProvider: boolean;
  /** The maximum lifetime of a platform admin's token, whoever issued it. */
  readonly maxAdminTokenHours: number;
}

/** The value that allows any audience. */
const ANY = '*';

/** Returns the configuration of tokens. Adds settings that contradict each other to `problems`. */
export function tokenConfig(values: SettingValues, problems: string[]): TokenConfig {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = values;
  if (values.NODE_ENV === 'production') mustNameAudiences(values, problems);
  const providers = identityProviders(values, problems);
  const own = ownKeys(values, problems);
  if (own && providers.some((provider) => provider.issuer === issuer)) {
    const problem = Array.isArray(values.JWT_JWKS_URL)
      ? `JWT_JWKS_URL names the issuer ${issuer}, which is JWT_ISSUER, the issuer of the tokens made here`
      : 'JWT_JWKS_URL must be a list that names issuers if JWT_SECRET or a key is set too, because JWT_ISSUER is the issuer of the tokens made here';
    problems.push(problem);
  }
  return {
    keys: own ?? { kind: providers.length > 0 ? 'none' : 'folder' },
    issuer,
    audiences: named(audience),
    allowWithoutExpiry: values.ALLOW_TOKENS_WITHOUT_EXP,
    claims: { tenant: values.TENANT_CLAIM, roles: values.ROLES_CLAIM },
    providers,
  };
}

function identityProviders(values: SettingValues, problems: string[]): IdentityProvider[] {
  const { JWT_JWKS_URL: source, JWT_ISSUER } = values;
  if (source === undefined) return [];
  if (typeof source === 'string' && JWT_ISSUER === undefined) {
    problems.push('JWT_ISSUER must be set together with JWT_JWKS_URL: the issuer that the tokens name');
  }
  const entries = typeof source === 'string' ? [{ issuer: JWT_ISSUER ?? '', url: source }] : source;
  if (new Set(entries.map(({ issuer }) => issuer)).size < entries.length) {
    problems.push('JWT_JWKS_URL names an issuer twice');
  }
  return entries.map(({ issuer, url, audience, linkByEmail, ...claims }) => ({
    issuer,
    jwksUrl: url,
    audiences: named(audience ?? values.JWT_AUDIENCE),
    claims: {
      user: claims.userClaim ?? values.USER_CLAIM,
      email: claims.emailClaim ?? values.EMAIL_CLAIM,
      emailVerified: claims.emailVerifiedClaim ?? values.EMAIL_VERIFIED_CLAIM,
      tenant: claims.tenantClaim ?? values.TENANT_CLAIM,
      roles: claims.rolesClaim ?? values.ROLES_CLAIM,
    },
    linkByEmail: linkByEmail ?? values.LINK_BY_EMAIL,
  }));
}

/** Returns the audiences of which tokens must name one, or undefined for any. */
function named(audiences: readonly string[] | undefined): readonly string[] | undefined {
  return audiences?.includes(ANY) ? undefined : audiences;
}

/** A provider issues tokens for many applications. Accepting all of them must be a deliberate choice. */
function mustNameAudiences({ JWT_JWKS_URL: source, JWT_AUDIENCE }: SettingValues, problems: string[]): void {
  if (source === undefined || JWT_AUDIENCE !== undefined) return;
  const without = typeof source === 'string' ? [] : source.filter(({ audience }) => audience === undefined);
  if (typeof source !== 'string' && without.length === 0) return;
  const of = without.map(({ issuer }) => ` of ${issuer}`).join(',');
  problems.push(
    `JWT_AUDIENCE must be set together with JWT_JWKS_URL when NODE_ENV is production: the audience that the tokens${of} name, or * to accept tokens that the identity provider issued for any application`,
  );
}

/** Returns undefined if no keys are set. */
function ownKeys(values: SettingValues, problems: string[]): KeySource | undefined {
  const { JWT_SECRET: secret, JWT_PUBLIC_KEY: publicKeys, JWT_PRIVATE_KEY: privateKey } = values;
  const hasKeys = publicKeys !== undefined || privateKey !== undefined;
  if (secret !== undefined && hasKeys) {
    problems.push(`JWT_SECRET and ${publicKeys ? 'JWT_PUBLIC_KEY' : 'JWT_PRIVATE_KEY'} are set; use one of them`);
  }
  if (secret !== undefined) return { kind: 'secret', secret };
  if (!hasKeys) return undefined;
  return {
    kind: 'keys',
    publicKeys: publicKeys && unescapeLines(publicKeys),
    privateKey: privateKey && unescapeLines(privateKey),
  };
}

/** Not every environment file supports line breaks, so a PEM may be written with `\n`. */
function unescapeLines(text: string): string {
  return text.trimStart().startsWith('{') ? text : text.replaceAll('\\n', '\n');
}
