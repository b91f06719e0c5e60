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
  description: 'What an invited person may see of a tenant before accepting.',
  fields: (t) => ({
    slug: t.exposeString('tenantSlug'),
    name: t.exposeString('tenantName'),
  }),
});

const InvitationRef = builder.objectRef<Invitation>('Invitation').implement({
  description: 'An invitation to become a member of a tenant. It grants no rights until it is accepted.',
  fields: (t) => ({
    id: t.exposeID('id'),
    tenant: t.field({ type: InvitingTenantRef, resolve: (invitation) => invitation }),
    email: t.exposeString('email', {
      description: 'In lower case. It does not reveal whether the address has an account.',
    }),
    role: t.field({ type: MemberRoleRef, resolve: ({ role }) => role }),
    invitedBy: t.string({
      nullable: true,
      description: 'The display name of the inviting user; null if unknown.',
      resolve: ({ invitedBy }) => invitedBy ?? null,
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    expiresAt: t.field({ type: 'DateTime', resolve: ({ expiresAt }) => expiresAt }),
    token: t.string({
      nullable: true,
      description: 'For acceptInvitation and declineInvitation. Set only in viewer.invitations; null elsewhere.',
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
    description: `Your pending invitations, newest first, at most ${MAX_SHOWN}.`,
    maxItems: MAX_SHOWN,
    resolve: ({ identity: { user } }, _args, { services }) => (user ? invitationsFor(services.catalog, user.id) : []),
  }),
);

builder.queryField('invitations', (t) =>
  t.field({
    type: [InvitationRef],
    nullable: true,
    description: `The tenant's pending invitations, newest first, at most ${MAX_PENDING}. For its owners and admins, and platform admins.`,
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
      "Invites somebody to a tenant. The invited person sees the invitation in viewer.invitations if the address has an account now; no mail is sent. Inviting the same address again renews the invitation and its role. For the tenant's owners and admins, and platform admins. Only owners can invite owners.",
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
      'Makes you a member of the inviting tenant and issues new tokens for it in this session, like switchTenant. If you signed in with an identity provider, the tokens are empty: keep using the one you have.',
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
    description: 'Declines an invitation; the inviter is not notified. Returns false if you have no such invitation.',
    authScopes: { user: true },
    args: { token: t.arg.string({ required: true, maxLength: 255, description: 'From viewer.invitations.' }) },
    resolve: (_root, { token }, context) =>
      declineInvitation(context.services.catalog, userIdOf(callerOf(context)), token),
  }),
  revokeInvitation: t.boolean({
    description:
      "Revokes an invitation. For the tenant's owners and admins, and platform admins. Returns false if there is no such invitation.",
    authScopes: { authenticated: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) => revokeInvitation(context.services.catalog, callerOf(context), id),
  }),
}));

/** The result for a caller whose token does not belong to a session here, so that no new token can be issued. */
async function withoutTokens(catalog: Catalog, identity: Identity, tenant: string): Promise<SignedIn> {
  const em = catalog.fork();
  const user = await em.findOneOrFail(User, { id: userIdOf(identity) });
  const membership = await em.findOneOrFail(Membership, { user, tenant });
  const expiresAt = identity.expiresAt ?? new Date();
  return { token: '', refreshToken: '', expiresAt, user, membership };
}

function userIdOf({ user }: Identity): string {
  if (user) return user.id;
  throw new Error('The scope of this field only admits users');
}
