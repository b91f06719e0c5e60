import { builder } from '../graphql/builder.ts';
import { callerOf } from '../graphql/context.ts';
import { addMember, removeMember, setMemberRole } from './members.ts';
import { MemberRoleRef, MembershipRef } from './schema.ts';
import type { Identity } from './tokens.ts';

const AddMemberInputRef = builder.inputType('AddMemberInput', {
  fields: (t) => ({
    tenant: t.id({ required: true, description: 'Its id or slug.' }),
    email: t.string({ required: true, maxLength: 254, description: 'Of somebody who has an account.' }),
    role: t.field({ type: MemberRoleRef, required: true }),
  }),
});

/** Whom attempts are counted of: a user, or the bearer of a token that is no user. */
function nameOf({ user, provider, subject, tenant }: Identity): string {
  return user?.id ?? JSON.stringify([provider?.issuer, subject, tenant]);
}

const tenantDescription = 'Its id or slug.';

builder.mutationFields((t) => ({
  addMember: t.field({
    type: MembershipRef,
    description: "For the tenant's owners and admins, and platform admins. Only owners make owners.",
    authScopes: { authenticated: true },
    args: { input: t.arg({ type: AddMemberInputRef, required: true }) },
    resolve: (_root, { input }, context) => {
      const identity = callerOf(context);
      const { catalog, signInLimits } = context.services;
      const add = () => addMember(catalog, { identity, ...input });
      // They see all users anyway.
      return identity.isPlatformAdmin ? add() : signInLimits.guess(nameOf(identity), add);
    },
  }),
  setMemberRole: t.field({
    type: MembershipRef,
    description: "For the tenant's owners and admins, and platform admins. The last owner stays one.",
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
      "For the tenant's owners and admins, platform admins, and members who leave. The last owner cannot be removed. False if there is no such member.",
    authScopes: { authenticated: true },
    args: {
      tenant: t.arg.id({ required: true, description: tenantDescription }),
      user: t.arg.id({ required: true }),
    },
    resolve: (_root, args, context) => removeMember(context.services.catalog, { identity: callerOf(context), ...args }),
  }),
}));
