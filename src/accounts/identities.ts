import { AnswerCache } from '../catalog/answer-cache.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { AppError } from '../errors.ts';
import { isUuid } from '../is-uuid.ts';
import type { Listener } from '../postgres/listener.ts';
import type { Identity, TokenClaims } from './tokens.ts';

/** Which claims are believed of tokens that belong to no user of this installation. */
export interface TrustedClaims {
  /** That the bearer is a member of the tenant, with the role that the token says. */
  readonly tenant: boolean;
  /** That the bearer is a platform admin. */
  readonly admin: boolean;
}

interface KnownUser {
  readonly id: string;
  readonly email: string;
  readonly active: boolean;
  readonly isPlatformAdmin: boolean;
  /** Whether the session that the token is of goes on; true for a token of none. */
  readonly signedIn: boolean;
}

/**
 * Finds out who the bearers of tokens are. A token whose subject is a user of this installation says no more than that:
 * what the user may do is looked up, in memory if it can be, for `auth` tells when it changes.
 */
export class Identities {
  readonly #catalog: Catalog;
  readonly #trusted: TrustedClaims;
  readonly #users = new AnswerCache<KnownUser>();

  constructor(catalog: Catalog, listener: Listener, trusted: TrustedClaims) {
    this.#catalog = catalog;
    this.#trusted = trusted;
    listener.on('users', (id) => this.#users.forget((key) => id === undefined || key.startsWith(id)));
  }

  /** @throws {AppError} UNAUTHENTICATED if the account is deactivated, or the session has ended */
  async identify(claims: TokenClaims): Promise<Identity> {
    const { subject, session } = claims;
    if (session !== undefined && !isUuid(session)) throw ended();
    const user = isUuid(subject) ? await this.#find(subject.toLowerCase(), session) : undefined;
    if (user && !user.active) throw new AppError('UNAUTHENTICATED', 'The account is deactivated');
    // A session has a user, so that a token of one whose user is gone is no token of a stranger.
    if (user ? !user.signedIn : session !== undefined) throw ended();
    if (!user) return this.#believed(claims);
    const { id, email, isPlatformAdmin } = user;
    return { ...claims, user: { id }, email, role: undefined, isPlatformAdmin };
  }

  #believed(claims: TokenClaims): Identity {
    const place = this.#trusted.tenant ? {} : { tenant: undefined, role: undefined };
    return { ...claims, ...place, user: undefined, isPlatformAdmin: claims.isPlatformAdmin && this.#trusted.admin };
  }

  #find(id: string, session: string | undefined): Promise<KnownUser | undefined> {
    return this.#users.find(`${id} ${session ?? ''}`, () =>
      this.#catalog.use(async (client) => {
        const { rows } = await client.query<KnownUser>(
          `SELECT id, email, active, is_platform_admin AS "isPlatformAdmin", $2::uuid IS NULL OR EXISTS (
             SELECT FROM sessions WHERE id = $2::uuid AND user_id = users.id AND expires_at > now()) AS "signedIn"
           FROM users WHERE id = $1`,
          [id, session],
        );
        return rows[0] ?? null;
      }),
    );
  }
}

function ended(): AppError {
  return new AppError('UNAUTHENTICATED', 'The session has ended. Sign in again.');
}
