import { acceptInvitation, declineInvitation, invitationsFor, MAX_SHOWN } from '../../auth/answer-invitation.ts';
import type { Invitation } from '../../auth/invitation-entity.ts';
import { invitationsTo, inviteMember, MAX_PENDING, revokeInvitation } from '../../auth/invitations.ts';
import { type SignedIn, switchTenant } from '../../auth/sign-in.ts';
import type { Identity } from '../../auth/tokens/tokens.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { Membership } from '../../catalog/entities/membership.entity.ts';
import { User } from '../../catalog/entities/user.entity.ts';
import { builder } from '../builder.ts';
import { callerOf } from '../context.ts';
import { MemberRoleRef, ViewerRef } from './account.ts';
import { AuthPayloadRef } from './session.ts';

const InvitingTenantRef = builder.objectRef<Invitation>('InvitingTenant').implement({
  description: 'What an invited person may know of a tenant before they accept.',
  fields: (t) => ({
    slug: t.exposeString('tenantSlug'),
    name: t.exposeString('tenantName'),
  }),
});

const InvitationRef = builder.objectRef<Invitation>('Invitation').implement({
  description: 'Asks somebody to become a member of a tenant. It gives no rights until it is accepted.',
  fields: (t) => ({
    id: t.exposeID('id'),
    tenant: t.field({ type: InvitingTenantRef, resolve: (invitation) => invitation }),
    email: t.exposeString('email', { description: 'In lower case. Whether it has an account is not told.' }),
    role: t.field({ type: MemberRoleRef, resolve: ({ role }) => role }),
    invitedBy: t.string({
      nullable: true,
      description: 'The name that the inviting user chose; null if it is not known.',
      resolve: ({ invitedBy }) => invitedBy ?? null,
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    expiresAt: t.field({ type: 'DateTime', resolve: ({ expiresAt }) => expiresAt }),
    token: t.string({
      nullable: true,
      description: 'For acceptInvitation and declineInvitation. Only in viewer.invitations, null elsewhere.',
      resolve: ({ token }) => token ?? null,
    }),
  }),
});

const InviteMemberInputRef = builder.inputType('InviteMemberInput', {
  fields: (t) => ({
    tenant: t.id({ required: true, description: 'Its id or slug.' }),
    email: t.string({ required: true, maxLength: 254 }),
    role: t.field({ type: MemberRoleRef, required: true }),
  }),
});

builder.objectField(ViewerRef, 'invitations', (t) =>
  t.field({
    type: [InvitationRef],
    description: `Your pending invitations, newest first, ${MAX_SHOWN} at most.`,
    maxItems: MAX_SHOWN,
    resolve: ({ identity: { user } }, _args, { services }) => (user ? invitationsFor(services.catalog, user.id) : []),
  }),
);

builder.queryField('invitations', (t) =>
  t.field({
    type: [InvitationRef],
    nullable: true,
    description: `The tenant's pending invitations, newest first, ${MAX_PENDING} at most. For its owners and admins, and platform admins.`,
    authScopes: { authenticated: true },
    maxItems: MAX_PENDING,
    args: { tenant: t.arg.id({ required: true, description: 'Its id or slug.' }) },
    resolve: (_root, { tenant }, context) => invitationsTo(context.services.catalog, callerOf(context), tenant),
  }),
);

builder.mutationFields((t) => ({
  inviteMember: t.field({
    type: InvitationRef,
    description:
      "Invites somebody to a tenant. The invited person finds the invitation in viewer.invitations, if the address has an account now; no mail is sent. Inviting again renews the invitation and its role. For the tenant's owners and admins, and platform admins. Only owners invite owners.",
    authScopes: { authenticated: true },
    args: { input: t.arg({ type: InviteMemberInputRef, required: true }) },
    resolve: async (_root, { input }, context) => {
      const identity = callerOf(context);
      const { catalog, hourlyLimits } = context.services;
      if (!identity.isPlatformAdmin) await hourlyLimits.countInvitation(identity);
      return inviteMember(catalog, { identity, ...input });
    },
  }),
  acceptInvitation: t.field({
    type: AuthPayloadRef,
    description:
      'Makes you a member of the inviting tenant, and names it in new tokens of this session, as switchTenant does. If you signed in with an identity provider, the tokens are empty: keep using the one you have.',
    authScopes: { user: true },
    args: { token: t.arg.string({ required: true, maxLength: 255, description: 'From viewer.invitations.' }) },
    resolve: async (_root, { token }, context) => {
      const { catalog, accounts } = context.services;
      const identity = callerOf(context);
      const tenant = await acceptInvitation(catalog, userIdOf(identity), token);
      return identity.session === undefined
        ? withoutTokens(catalog, identity, tenant)
        : switchTenant(accounts, identity, tenant);
    },
  }),
  declineInvitation: t.boolean({
    description: 'Declines an invitation; the inviter is not told. False if you have no such invitation.',
    authScopes: { user: true },
    args: { token: t.arg.string({ required: true, maxLength: 255, description: 'From viewer.invitations.' }) },
    resolve: (_root, { token }, context) =>
      declineInvitation(context.services.catalog, userIdOf(callerOf(context)), token),
  }),
  revokeInvitation: t.boolean({
    description:
      "Takes an invitation back. For the tenant's owners and admins, and platform admins. False if there is no such invitation.",
    authScopes: { authenticated: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) => revokeInvitation(context.services.catalog, callerOf(context), id),
  }),
}));

/** Who has accepted with a token that is not of a session here, for which no new one can be made. */
async function withoutTokens(catalog: Catalog, identity: Identity, tenant: string): Promise<SignedIn> {
  const em = catalog.fork();
  const user = await em.findOneOrFail(User, { id: userIdOf(identity) });
  const membership = await em.findOneOrFail(Membership, { user, tenant });
  const expiresAt = identity.expiresAt ?? new Date();
  return { token: '', refreshToken: '', sessionId: undefined, expiresAt, user, membership };
}

function userIdOf({ user }: Identity): string {
  if (user) return user.id;
  throw new Error('The scope of this field lets only users through');
}
