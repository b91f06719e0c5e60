import { inviteMember } from '../../auth/invitations.ts';
import { addMember, removeMember, setMemberRole } from '../../auth/members.ts';
import { pendingMembership } from '../../auth/pending-membership.ts';
import { builder } from '../builder.ts';
import { callerOf } from '../context.ts';
import { MemberRoleRef, MembershipRef } from './account.ts';

const AddMemberInputRef = builder.inputType('AddMemberInput', {
  fields: (t) => ({
    tenant: t.id({ required: true, description: 'Its id or slug.' }),
    email: t.string({
      required: true,
      maxLength: 254,
      description: 'If the caller is a platform admin, the address of an existing account.',
    }),
    role: t.field({ type: MemberRoleRef, required: true }),
  }),
});

const tenantDescription = 'Its id or slug.';

builder.mutationFields((t) => ({
  addMember: t.field({
    type: MembershipRef,
    description:
      "For platform admins: makes somebody a member at once. For the tenant's owners and admins: invites them, like inviteMember, and returns a pending membership. Only owners can add owners.",
    authScopes: { authenticated: true },
    args: { input: t.arg({ type: AddMemberInputRef, required: true }) },
    resolve: async (_root, { input }, context) => {
      const identity = callerOf(context);
      const { catalog, hourlyLimits } = context.services;
      if (identity.isPlatformAdmin) return addMember(catalog, { identity, ...input });
      await hourlyLimits.countInvitation(identity);
      const invitation = await inviteMember(catalog, { identity, ...input });
      return pendingMembership(catalog, invitation, input.email.trim());
    },
  }),
  setMemberRole: t.field({
    type: MembershipRef,
    description:
      "For the tenant's owners and admins, and platform admins. The role of the last owner cannot be changed.",
    authScopes: { authenticated: true },
    args: {
      tenant: t.arg.id({ required: true, description: tenantDescription }),
      user: t.arg.id({ required: true }),
      role: t.arg({ type: MemberRoleRef, required: true }),
    },
    resolve: (_root, args, context) =>
      setMemberRole(context.services.catalog, { identity: callerOf(context), ...args }),
  }),
  removeMember: t.boolean({
    description:
      "For the tenant's owners and admins, platform admins, and members who leave. The last owner cannot be removed. Returns false if there is no such member.",
    authScopes: { authenticated: true },
    args: {
      tenant: t.arg.id({ required: true, description: tenantDescription }),
      user: t.arg.id({ required: true }),
    },
    resolve: (_root, args, context) => removeMember(context.services.catalog, { identity: callerOf(context), ...args }),
  }),
}));
