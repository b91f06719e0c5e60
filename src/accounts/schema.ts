import { Membership, memberRoles } from '../catalog/membership.entity.ts';
import { TenantRef } from '../catalog/schema.ts';
import { Tenant } from '../catalog/tenant.entity.ts';
import { User } from '../catalog/user.entity.ts';
import { AppError } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import type { TenantContext } from '../graphql/context.ts';
import type { PendingMembership } from './pending-membership.ts';
import type { Identity } from './tokens.ts';

/** The GraphQL type of a person. */
export const UserRef = builder.objectType(User, {
  name: 'User',
  fields: (t) => ({
    id: t.exposeID('id'),
    email: t.string({
      description: 'Empty if an identity provider has told none, or another user has it.',
      resolve: ({ email }) => email ?? '',
    }),
    name: t.exposeString('name'),
  }),
});

/** The GraphQL enum of what a person may do in a tenant. */
export const MemberRoleRef = builder.enumType('MemberRole', { values: memberRoles });

/** The GraphQL type of a person's place in a tenant. */
export const MembershipRef = builder.objectRef<Membership | PendingMembership>('Membership').implement({
  fields: (t) => ({
    user: t.field({
      type: UserRef,
      description: 'While pending, only the address that was invited, with the id of the invitation.',
      resolve: (membership) =>
        membership instanceof Membership ? membership.user.loadOrFail({ dataloader: true }) : membership.user,
    }),
    tenant: t.field({
      type: TenantRef,
      resolve: (membership) =>
        membership instanceof Membership ? membership.tenant.loadOrFail({ dataloader: true }) : membership.tenant,
    }),
    role: t.field({ type: MemberRoleRef, resolve: ({ role }) => role }),
    isPending: t.boolean({
      description: 'Whether it is an invitation that was not accepted yet, and gives no rights.',
      resolve: (membership) => !(membership instanceof Membership),
    }),
  }),
});

builder.objectField(Tenant, 'members', (t) =>
  t.loadableList({
    type: MembershipRef,
    description: 'For platform admins, and for members in a request for this tenant.',
    authScopes: ({ id, slug }, _args, { identity, tenant }) => {
      if (identity?.isPlatformAdmin) return true;
      // Who is a member of several tenants is shown only what the one that the token is for may see.
      if (tenant.isNamed && tenant.role !== undefined && tenant.row.id === id) return true;
      throw new AppError('FORBIDDEN', `The members of ${slug} are shown in a request for that tenant only`);
    },
    load: async (ids: string[], { services }) => {
      const all = await services.catalog.fork().find(Membership, { tenant: { $in: ids } });
      return ids.map((id) => all.filter(({ tenant }) => tenant.id === id));
    },
    resolve: ({ id }) => id,
  }),
);

/** The caller, and the caller's place in a tenant, which is looked at only when it is asked for. */
export interface Viewer {
  readonly identity: Identity;
  readonly place: () => { readonly tenantId: string; readonly role: string } | undefined;
  readonly permissions: () => Promise<ReadonlySet<string>>;
}

/** The GraphQL type of {@link Viewer}. */
export const ViewerRef = builder.objectRef<Viewer>('Viewer').implement({
  description: 'Who the token says that you are.',
  fields: (t) => ({
    user: t.field({
      type: UserRef,
      nullable: true,
      resolve: ({ identity: { user } }, _args, { services }) =>
        user ? services.catalog.fork().findOne(User, { id: user.id }) : null,
    }),
    tenant: t.field({
      type: TenantRef,
      nullable: true,
      description: "The request's tenant, if you are a member of it.",
      resolve: ({ place }, _args, { services }) => {
        const id = place()?.tenantId;
        return id === undefined ? null : services.catalog.fork().findOne(Tenant, { id });
      },
    }),
    role: t.string({ nullable: true, resolve: ({ place }) => place()?.role ?? null }),
    permissions: t.stringList({
      description: "What you may do in the request's tenant, such as orders:write.",
      resolve: async ({ place, permissions }) => (place() ? [...(await permissions())].sort() : []),
    }),
    isPlatformAdmin: t.boolean({ resolve: ({ identity }) => identity.isPlatformAdmin }),
    memberships: t.field({
      type: [MembershipRef],
      resolve: ({ identity: { user } }, _args, { services }) =>
        user ? services.catalog.fork().find(Membership, { user: user.id }) : [],
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerRef,
    nullable: true,
    description: 'Null without a token.',
    authScopes: { anyone: true },
    resolve: (_root, _args, { identity, tenant }) =>
      identity ? { identity, place: () => placeIn(tenant), permissions: () => tenant.permissions() } : null,
  }),
);

function placeIn(tenant: TenantContext) {
  if (!tenant.isNamed || tenant.role === undefined) return undefined;
  return { tenantId: tenant.row.id, role: tenant.role };
}
