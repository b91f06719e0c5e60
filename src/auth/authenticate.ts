import type pg from 'pg';
import type { Catalog } from '../catalog/catalog.ts';
import type { IdentityProvider, TrustedClaims } from '../config/token-config.ts';
import { AppError } from '../lib/errors.ts';
import { TtlCache } from '../lib/ttl-cache.ts';
import { isUuid } from '../lib/uuid.ts';
import type { Listener } from '../postgres/listener.ts';
import { linkedUserId, linkUser, type Origin, type Person } from './identity-links.ts';
import type { Identity, TokenClaims } from './tokens/tokens.ts';
import { emailSchema } from './users.ts';

/**
 * The maximum length of a subject in OpenID Connect. @see https://openid.net/specs/openid-connect-core-1_0.html#IDToken
 */
const MAX_SUBJECT = 255;

/** A tolerance: tokens state times in whole seconds, and issuers may round them. */
const ROUNDING_MS = 60_000;

interface KnownUser {
  readonly id: string;
  readonly email: string | null;
  readonly active: boolean;
  readonly isPlatformAdmin: boolean;
  /** Whether the token's session is still open; true for a token without a session. */
  readonly signedIn: boolean;
}

/**
 * Identifies the bearers of tokens. If the subject is a user of this installation, the user's rights are looked up and
 * the token's own claims are ignored. Lookups are cached, and `auth` sends notifications about changes.
 */
export class Authenticator {
  readonly #catalog: Catalog;
  readonly #listener: Listener;
  readonly #trusted: TrustedClaims;
  readonly #users = new TtlCache<KnownUser>();

  constructor(catalog: Catalog, listener: Listener, trusted: TrustedClaims) {
    this.#catalog = catalog;
    this.#listener = listener;
    this.#trusted = trusted;
    listener.on('users', (id) =>
      this.#users.forget(
        (key, user) => id === undefined || key.startsWith(id) || user === undefined || user?.id === id,
      ),
    );
  }

  /**
   * Calls `handler` with the id of a user when the user changes or one of the user's sessions ends, after the cache has
   * been updated. The id is undefined if any user may have changed.
   * @returns a function that removes the handler
   */
  onChange(handler: (id: string | undefined) => void): () => void {
    // Handlers run in the order of registration, and the one that updates the cache was registered first.
    return this.#listener.on('users', handler);
  }

  /**
   * @param origin where the request comes from
   * @throws {AppError} UNAUTHENTICATED if the account is deactivated, the session has ended, or the token of a platform admin
   *   is valid for too long
   */
  async identify(claims: TokenClaims, origin: Origin): Promise<Identity> {
    const identity = await (claims.provider
      ? this.#ofProvider(claims, claims.provider, origin)
      : this.#ofOwnKey(claims));
    if (identity.isPlatformAdmin) mustEndWithin(this.#trusted.maxAdminTokenHours, claims);
    return identity;
  }

  /** A provider's subject is never treated as the id of a user here, even if it looks like one. */
  async #ofProvider(claims: TokenClaims, provider: IdentityProvider, origin: Origin): Promise<Identity> {
    const user = await this.#findLinked(personOf(claims, provider), origin);
    if (!user.active) throw new AppError('UNAUTHENTICATED', 'The account is deactivated');
    const { tenant, adminOfProvider } = this.#trusted;
    return {
      ...claims,
      ...(!tenant && noRoles),
      user: { id: user.id },
      email: user.email ?? undefined,
      isMemberByClaim: tenant,
      isPlatformAdmin: user.isPlatformAdmin || (claims.isPlatformAdmin && adminOfProvider),
    };
  }

  async #ofOwnKey(claims: TokenClaims): Promise<Identity> {
    const { subject, session } = claims;
    if (session !== undefined && !isUuid(session)) throw ended();
    const user = isUuid(subject) ? await this.#find(subject.toLowerCase(), session) : undefined;
    if (user && !user.active) throw new AppError('UNAUTHENTICATED', 'The account is deactivated');
    // A session always has a user, so a token with a session whose user is gone is not an ordinary token without a
    // user.
    if (user ? !user.signedIn : session !== undefined) throw ended();
    if (!user) return this.#withoutUser(claims);
    const { id, email, isPlatformAdmin } = user;
    return { ...claims, ...noRoles, user: { id }, email: email ?? undefined, isMemberByClaim: false, isPlatformAdmin };
  }

  #withoutUser(claims: TokenClaims): Identity {
    const { tenant, admin } = this.#trusted;
    return {
      ...claims,
      ...(!tenant && { ...noRoles, tenant: undefined }),
      user: undefined,
      isMemberByClaim: tenant,
      isPlatformAdmin: claims.isPlatformAdmin && admin,
    };
  }

  #find(id: string, session: string | undefined): Promise<KnownUser | undefined> {
    return this.#users.find(`${id} ${session ?? ''}`, () =>
      this.#catalog.use((client) => knownUser(client, id, session)),
    );
  }

  async #findLinked(person: Person, origin: Origin): Promise<KnownUser> {
    const user = await this.#users.find(JSON.stringify([person.issuer, person.subject]), () =>
      this.#catalog.use(async (client) => {
        const id = (await linkedUserId(client, person)) ?? (await linkUser(client, person, origin));
        return knownUser(client, id, undefined);
      }),
    );
    if (!user) throw new AppError('UNAUTHENTICATED', 'The account has just been deleted. Try again.');
    return user;
  }
}

/** A token without an issue time counts as issued now. */
function mustEndWithin(maxHours: number, { issuedAt, expiresAt }: TokenClaims): void {
  const now = Date.now();
  const start = Math.min(issuedAt?.getTime() ?? now, now);
  const end = expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
  if (end - start <= maxHours * 3_600_000 + ROUNDING_MS) return;
  throw new AppError(
    'UNAUTHENTICATED',
    `A platform admin's token may be valid for at most ${maxHours} hours, and this one is valid for longer. Get a new one, or set MAX_ADMIN_TOKEN_HOURS.`,
  );
}

/** Replaces the role claims of a token where they are not trusted. */
const noRoles = { role: undefined, roles: [] };

async function knownUser(client: pg.Client, id: string, session: string | undefined): Promise<KnownUser | null> {
  const { rows } = await client.query<KnownUser>(
    `SELECT id, email, active, is_platform_admin AS "isPlatformAdmin", $2::uuid IS NULL OR EXISTS (
       SELECT FROM sessions WHERE id = $2::uuid AND user_id = users.id AND expires_at > now()) AS "signedIn"
     FROM users WHERE id = $1`,
    [id, session],
  );
  return rows[0] ?? null;
}

/** @throws {AppError} UNAUTHENTICATED if the token does not identify its bearer */
function personOf({ subject, email, emailVerified, name }: TokenClaims, provider: IdentityProvider): Person {
  // PostgreSQL cannot store U+0000, and a lone surrogate would be replaced, so that two subjects could collide.
  if (!subject?.isWellFormed() || subject.includes('\0') || subject.length > MAX_SUBJECT) {
    throw new AppError('UNAUTHENTICATED', `The token's claim ${provider.claims.user} is not a valid user id`);
  }
  const { issuer, linkByEmail } = provider;
  const address = emailVerified ? emailSchema.safeParse(email).data : undefined;
  return { issuer, subject, email: address, name, linkByEmail };
}

function ended(): AppError {
  return new AppError('UNAUTHENTICATED', 'The session has ended. Sign in again.');
}
