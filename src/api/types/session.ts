import { randomUUID } from 'node:crypto';
import { login, logout, refresh, register, type SignedIn, switchTenant } from '../../auth/sign-in.ts';
import { normalAccount } from '../../auth/sign-in-limits.ts';
import { changePassword, setPlatformAdmin, setUserActive } from '../../auth/users.ts';
import { servable } from '../../routing/resolve-tenant.ts';
import { builder } from '../builder.ts';
import { type Context, callerOf } from '../context.ts';
import { countSignIn } from '../count-sign-in.ts';
import { UserRef, type Viewer, ViewerRef } from './account.ts';

/** The cost of a field that hashes a password once: it takes as long as resolving hundreds of fields. */
const COST_OF_HASH = 500;

/** The result of signing in; with a device token if it was with a password. */
type Payload = SignedIn & { readonly deviceToken?: string };

/** The GraphQL type of the result of signing in. */
export const AuthPayloadRef = builder.objectRef<Payload>('AuthPayload').implement({
  fields: (t) => ({
    token: t.exposeString('token', { description: 'For the header “authorization: Bearer <token>”.' }),
    refreshToken: t.exposeString('refreshToken', {
      description: 'For refreshToken; valid once, since each use returns a new one.',
    }),
    deviceToken: t.string({
      nullable: true,
      description:
        'Returned by register and login. Send it with the next login to this account from this device, also after logout: its attempts are then counted separately, so nobody else can use them up.',
      resolve: ({ deviceToken }) => deviceToken ?? null,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When the token expires.',
      resolve: ({ expiresAt }) => expiresAt,
    }),
    viewer: t.field({ type: ViewerRef, resolve: (signedIn, _args, { services }) => viewerOf(signedIn, services) }),
  }),
});

const RegisterInputRef = builder.inputType('RegisterInput', {
  fields: (t) => ({
    email: t.string({ required: true, maxLength: 254 }),
    password: t.string({ required: true, maxLength: 1000, description: 'At least 12 characters.' }),
    name: t.string({ required: true, maxLength: 200 }),
  }),
});

const LoginInputRef = builder.inputType('LoginInput', {
  fields: (t) => ({
    email: t.string({ required: true, maxLength: 254 }),
    password: t.string({ required: true, maxLength: 1000 }),
    tenant: t.string({
      maxLength: 63,
      description: 'The slug of the tenant that the token names; by default the only one that you belong to.',
    }),
    deviceToken: t.string({
      maxLength: 500,
      description: 'The device token from the last login on this device, if any.',
    }),
  }),
});

const ChangePasswordInputRef = builder.inputType('ChangePasswordInput', {
  fields: (t) => ({
    currentPassword: t.string({ required: true, maxLength: 1000 }),
    newPassword: t.string({ required: true, maxLength: 1000, description: 'At least 12 characters.' }),
  }),
});

builder.mutationFields((t) => ({
  register: t.field({
    type: AuthPayloadRef,
    description: 'Creates an account and signs in. The setting SIGN_UP can disable it.',
    cost: COST_OF_HASH,
    authScopes: { anyone: true },
    args: { input: t.arg({ type: RegisterInputRef, required: true }) },
    resolve: (_root, { input }, { services, address }) =>
      countSignIn(services.meters, 'register', () =>
        services.signInLimits.attempt({ account: undefined, address }, async () => {
          const signedIn = await register(services.accounts, input);
          return { ...signedIn, deviceToken: newDevice(services, input.email) };
        }),
      ),
  }),
  login: t.field({
    type: AuthPayloadRef,
    cost: COST_OF_HASH,
    authScopes: { anyone: true },
    args: { input: t.arg({ type: LoginInputRef, required: true }) },
    resolve: (_root, { input: { tenant, deviceToken, ...input } }, { services, address }) => {
      const device =
        deviceToken == null ? undefined : services.devices.decrypt(deviceToken, normalAccount(input.email));
      const known = device && `device ${device}`;
      return countSignIn(services.meters, 'login', () =>
        services.signInLimits.attempt({ account: input.email, address, known }, async () => {
          const signedIn = await login(services.accounts, { ...input, tenant: tenant ?? undefined });
          return { ...signedIn, deviceToken: newDevice(services, input.email, device) };
        }),
      );
    },
  }),
  refreshToken: t.field({
    type: AuthPayloadRef,
    description:
      'Exchanges a refresh token for new tokens. A refresh token is valid once; the same client may use it again for 30 seconds. If it is reused later or by another client, its session ends.',
    authScopes: { anyone: true },
    args: { refreshToken: t.arg.string({ required: true, maxLength: 255 }) },
    resolve: (_root, { refreshToken }, { services, address }) =>
      countSignIn(services.meters, 'refresh', () => refresh(services.accounts, refreshToken, address)),
  }),
  logout: t.boolean({
    description: 'Ends the session and revokes its tokens.',
    authScopes: { anyone: true },
    args: { refreshToken: t.arg.string({ required: true, maxLength: 255 }) },
    resolve: async (_root, { refreshToken }, { services }) => {
      await logout(services.accounts, refreshToken);
      return true;
    },
  }),
  switchTenant: t.field({
    type: AuthPayloadRef,
    description: 'Issues new tokens of this session for another tenant. The previous refresh token is no longer valid.',
    authScopes: { user: true },
    args: { tenant: t.arg.id({ required: true, description: 'Its id or slug.' }) },
    resolve: (_root, { tenant }, context) => switchTenant(context.services.accounts, callerOf(context), tenant),
  }),
  changePassword: t.boolean({
    description: 'Ends all your other sessions.',
    cost: 2 * COST_OF_HASH,
    authScopes: { user: true },
    args: { input: t.arg({ type: ChangePasswordInputRef, required: true }) },
    resolve: async (_root, { input }, context) => {
      const { services, address } = context;
      const caller = callerOf(context);
      const known = caller.session && `session ${caller.session}`;
      await services.signInLimits.attempt({ account: caller.email, address, known }, () =>
        changePassword(services.accounts, caller, input),
      );
      return true;
    },
  }),
  setUserActive: t.field({
    type: UserRef,
    description: "An inactive user cannot sign in, and all of the user's sessions end.",
    authScopes: { platformAdmin: true },
    args: { user: t.arg.id({ required: true }), active: t.arg.boolean({ required: true }) },
    resolve: (_root, { user, active }, { services }) => setUserActive(services.accounts, user, active),
  }),
  setPlatformAdmin: t.field({
    type: UserRef,
    description: 'Makes a user a platform admin, or revokes that.',
    authScopes: { platformAdmin: true },
    args: { user: t.arg.id({ required: true }), isPlatformAdmin: t.arg.boolean({ required: true }) },
    resolve: (_root, args, { services }) => setPlatformAdmin(services.accounts, args.user, args.isPlatformAdmin),
  }),
}));

/** Creates a token that later proves that the device has signed in to the account. It grants no access. */
function newDevice({ devices }: Context['services'], email: string, device: string = randomUUID()): string {
  return devices.encrypt(device, normalAccount(email));
}

/** The viewer of the new token, not of this request's token. */
function viewerOf({ user, membership }: SignedIn, { directory, permissions }: Context['services']): Viewer {
  const { id, isPlatformAdmin } = user;
  return {
    identity: { user: { id }, isPlatformAdmin },
    tenantRole: () => membership && { tenantId: membership.tenant.id, role: membership.role },
    permissions: async () => {
      if (!membership) return new Set();
      const { role, createdAt: since, tenant } = membership;
      const known = servable(await directory.byReference(tenant.id), tenant.id);
      return permissions.find(known, { user: { id, since }, role, tokenRoles: [], isPlatformAdmin });
    },
  };
}
