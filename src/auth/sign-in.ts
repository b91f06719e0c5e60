import { Membership } from '../catalog/entities/membership.entity.ts';
import { User } from '../catalog/entities/user.entity.ts';
import { deletedStatuses } from '../catalog/tenant-status.ts';
import { networkOf } from '../lib/client-network.ts';
import { AppError } from '../lib/errors.ts';
import { isWeak } from './passwords.ts';
import { endSession, openSession, rotateRefreshToken, type Session, switchSession } from './sessions.ts';
import type { Identity, Tokens } from './tokens/tokens.ts';
import { createUser, type NewAccount, type UsersOptions, userByEmail } from './users.ts';

/** The dependencies and settings of signing in. */
export interface SignInOptions extends UsersOptions {
  readonly tokens: Tokens;
  /** Whether people may create accounts for themselves. */
  readonly signUp: boolean;
  readonly accessTokenSeconds: number;
  readonly sessionDays: number;
}

/** A refresh token was reused, so one of its two users has stolen it. */
export class ReusedTokenError extends AppError {
  readonly userId: string;
  readonly email: string | undefined;

  constructor(userId: string, email: string | undefined) {
    super('UNAUTHENTICATED', 'The refresh token was used before, so its session has ended. Sign in again.');
    this.userId = userId;
    this.email = email;
  }
}

/** The email address or the password is wrong; clients don't learn which. */
export class WrongPasswordError extends AppError {
  /** The user with this address, for the audit log; undefined if there is none. */
  readonly userId: string | undefined;

  constructor(userId: string | undefined) {
    super('UNAUTHENTICATED', 'The email address or the password is wrong');
    this.userId = userId;
  }
}

/** The result of signing in. */
export interface SignedIn {
  readonly token: string;
  readonly refreshToken: string;
  /** When `token` expires. */
  readonly expiresAt: Date;
  readonly user: User;
  /** The membership in the tenant that `token` names. */
  readonly membership: Membership | undefined;
}

/**
 * Creates an account and signs in.
 * @throws {AppError} FORBIDDEN if the settings do not allow it, BAD_USER_INPUT, or CONFLICT if the address has an
 *   account
 */
export async function register(options: SignInOptions, input: NewAccount): Promise<SignedIn> {
  mustSignHere(options);
  if (!options.signUp)
    throw new AppError('FORBIDDEN', 'Sign-up is disabled. Ask an administrator of this installation for an account.');
  const user = await createUser(options, { ...input, isPlatformAdmin: false });
  return begin(options, user, user.passwordHash ?? undefined, undefined);
}

/**
 * Signs in. A failure does not reveal, by its message or its duration, whether the account exists.
 * @param input.tenant slug of the tenant that the token names; by default the only one that the user is a member of
 * @throws {AppError} UNAUTHENTICATED, or FORBIDDEN if the user is not a member of the tenant
 */
export async function login(
  options: SignInOptions,
  input: { readonly email: string; readonly password: string; readonly tenant: string | undefined },
): Promise<SignedIn> {
  mustSignHere(options);
  const { catalog, passwords } = options;
  const user = await userByEmail(catalog, input.email);
  const hash = user?.passwordHash ?? undefined;
  const right = await passwords.verify(input.password, hash);
  if (!user?.active || hash === undefined || !right) throw new WrongPasswordError(user?.id);
  const memberships = await membershipsOf(options, user.id);
  const only = memberships.length === 1 ? memberships[0] : undefined;
  const membership = input.tenant === undefined ? only : memberOf(memberships, input.tenant);
  const signedIn = await begin(options, user, hash, membership);
  if (isWeak(hash)) await renewHash(options, user, input.password);
  return signedIn;
}

/**
 * Exchanges a refresh token for new tokens. It is valid once, and for another 30 seconds for the same client.
 * @param address the client's address
 * @throws {AppError} UNAUTHENTICATED if it is not valid; if it was used before, its session ends
 */
export async function refresh(
  options: SignInOptions,
  refreshToken: string,
  address: string | undefined,
): Promise<SignedIn> {
  const from = address && networkOf(address);
  const session = await options.catalog.use((client) => rotateRefreshToken(client, refreshToken, from));
  if (!session) throw new AppError('UNAUTHENTICATED', 'The refresh token is invalid or has expired. Sign in again.');
  if ('endedOf' in session) {
    const user = await options.catalog.fork().findOne(User, { id: session.endedOf });
    throw new ReusedTokenError(session.endedOf, user?.email ?? undefined);
  }
  return continued(options, session);
}

/** Ends the session of a refresh token; an unknown token is ignored. */
export async function logout({ catalog }: SignInOptions, refreshToken: string): Promise<void> {
  await catalog.use((client) => endSession(client, refreshToken));
}

/**
 * Changes the tenant of the caller's session. The refresh token is replaced too.
 * @param tenant its id or slug
 * @throws {AppError} FORBIDDEN if the caller is not a member of it, or has not signed in here
 */
export async function switchTenant(options: SignInOptions, identity: Identity, tenant: string): Promise<SignedIn> {
  const { user, session: id } = identity;
  if (!user || id === undefined)
    throw new AppError('FORBIDDEN', 'This token does not belong to a session. Sign in with login.');
  const membership = memberOf(await membershipsOf(options, user.id), tenant);
  const session = await options.catalog.use((client) => switchSession(client, id, membership.tenant.id));
  if (!session) throw new AppError('UNAUTHENTICATED', 'The session has ended. Sign in again.');
  return continued(options, session);
}

async function begin(
  options: SignInOptions,
  user: User,
  passwordHash: string | undefined,
  membership: Membership | undefined,
): Promise<SignedIn> {
  const session = await options.catalog.use((client) =>
    openSession(client, { userId: user.id, passwordHash, tenantId: membership?.tenant.id, days: options.sessionDays }),
  );
  if (!session) throw new AppError('UNAUTHENTICATED', 'The account was changed in the meantime. Sign in again.');
  return signedIn(options, session, user, membership);
}

/** Issues the session's next tokens. They name its tenant only while the user is a member of it. */
async function continued(options: SignInOptions, session: Session): Promise<SignedIn> {
  const em = options.catalog.fork();
  const user = await em.findOne(User, { id: session.userId, active: true });
  if (!user) throw new AppError('UNAUTHENTICATED', 'The account is deactivated');
  const { userId, tenantId } = session;
  const membership = tenantId === undefined ? null : await em.findOne(Membership, { user: userId, tenant: tenantId });
  return signedIn(options, session, user, membership ?? undefined);
}

async function signedIn(
  { tokens, accessTokenSeconds }: SignInOptions,
  session: Session,
  user: User,
  membership: Membership | undefined,
): Promise<SignedIn> {
  // Tokens state times in whole seconds.
  const expiresAt = new Date((Math.floor(Date.now() / 1000) + accessTokenSeconds) * 1000);
  const token = await tokens.issue({
    subject: user.id,
    email: user.email ?? undefined,
    tenant: membership?.tenant.id,
    session: session.id,
    expiresIn: expiresAt,
  });
  return { token, refreshToken: session.refreshToken, expiresAt, user, membership };
}

/** The password is only available now, so a hash with an older, lower cost is replaced now. */
async function renewHash({ catalog, passwords }: SignInOptions, user: User, password: string): Promise<void> {
  const hash = await passwords.hash(password);
  await catalog.use((client) =>
    client.query('UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2', [
      user.id,
      user.passwordHash,
      hash,
    ]),
  );
}

function membershipsOf({ catalog }: SignInOptions, user: string): Promise<Membership[]> {
  return catalog
    .fork()
    .find(Membership, { user, tenant: { status: { $nin: [...deletedStatuses] } } }, { populate: ['tenant'] });
}

/** Does not reveal whether the tenant exists. */
function memberOf(memberships: readonly Membership[], reference: string): Membership {
  const found = memberships.find(({ tenant }) => tenant.id === reference || tenant.getEntity().slug === reference);
  if (!found) throw new AppError('FORBIDDEN', `You are not a member of a tenant ${reference}`);
  return found;
}

/** @throws {AppError} FORBIDDEN if tokens are issued by an identity provider, where people sign in */
function mustSignHere({ tokens }: SignInOptions): void {
  if (!tokens.canIssue)
    throw new AppError('FORBIDDEN', 'Local sign-in is disabled. Sign in with the identity provider.');
}
