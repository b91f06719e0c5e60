import { membershipsOf, membersOf } from '../../auth/list-memberships.ts';
import type { PendingMembership } from '../../auth/pending-membership.ts';
import type { Identity } from '../../auth/tokens/tokens.ts';
import { Membership, memberRoles } from '../../catalog/entities/membership.entity.ts';
import { Tenant } from '../../catalog/entities/tenant.entity.ts';
import { User } from '../../catalog/entities/user.entity.ts';
import { AppError } from '../../lib/errors.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { builder } from '../builder.ts';
import type { TenantContext } from '../context.ts';
import { MAX_TEXTS } from '../limits/list-sizes.ts';
import { pageArgs, pageSize } from '../list-page.ts';
import { inOrder, requestLoader } from '../request-loader.ts';
import { loadTenant, TenantRef } from './tenant.ts';

/** The GraphQL type of a person. */
export const UserRef = builder.objectType(User, {
  name: 'User',
  fields: (t) => ({
    id: t.exposeID('id'),
    email: t.string({
      description: 'Empty if the identity provider did not report one, or if another user has it.',
      resolve: ({ email }) => email ?? '',
    }),
    name: t.exposeString('name'),
  }),
});

/** The GraphQL enum of a person's roles in a tenant. */
export const MemberRoleRef = builder.enumType('MemberRole', { values: memberRoles });

const loadUser = requestLoader(async (ids, { services }) =>
  inOrder(ids, await services.catalog.fork().find(User, { id: { $in: [...ids] } })),
);

/** The GraphQL type of a person's role in a tenant. */
export const MembershipRef = builder.objectRef<Membership | PendingMembership>('Membership').implement({
  fields: (t) => ({
    user: t.field({
      type: UserRef,
      description: 'While pending, only the invited address, with the id of the invitation.',
      resolve: (membership, _args, context) =>
        membership instanceof Membership ? loadUser(context, membership.user.id) : membership.user,
    }),
    tenant: t.field({
      type: TenantRef,
      resolve: (membership, _args, context) =>
        membership instanceof Membership ? loadTenant(context, membership.tenant.id) : membership.tenant,
    }),
    role: t.field({ type: MemberRoleRef, resolve: ({ role }) => role }),
    isPending: t.boolean({
      description: 'Whether this is an invitation that has not been accepted yet. It grants no rights.',
      resolve: (membership) => !(membership instanceof Membership),
    }),
  }),
});

builder.objectField(Tenant, 'members', (t) =>
  t.loadableList({
    type: MembershipRef,
    description: 'Ordered by user id. For platform admins, and for members in a request for this tenant.',
    maxItems: MAX_PAGE,
    args: pageArgs('The user id'),
    authScopes: ({ id, slug }, _args, { identity, tenant }) => {
      if (identity?.isPlatformAdmin) return true;
      // Members of several tenants see only the members of the tenant that the token is for.
      if (tenant.isNamed && tenant.role !== undefined && tenant.row.id === id) return true;
      throw new AppError('FORBIDDEN', `The members of ${slug} are only available in a request for that tenant`);
    },
    // All objects with the same path have the same arguments.
    byPath: true,
    load: (ids: string[], { services }, args) =>
      membersOf(services.catalog, ids, { size: pageSize(args), after: args.after }),
    resolve: ({ id }) => id,
  }),
);

/** The caller, and the caller's role in the request's tenant, which is read only when it is requested. */
export interface Viewer {
  readonly identity: Pick<Identity, 'user' | 'isPlatformAdmin'>;
  readonly tenantRole: () => { readonly tenantId: string; readonly role: string } | undefined;
  readonly permissions: () => Promise<ReadonlySet<string>>;
}

/** The GraphQL type of {@link Viewer}. */
export const ViewerRef = builder.objectRef<Viewer>('Viewer').implement({
  description: 'The caller, as identified by the token.',
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
      resolve: ({ tenantRole }, _args, { services }) => {
        const id = tenantRole()?.tenantId;
        return id === undefined ? null : services.catalog.fork().findOne(Tenant, { id });
      },
    }),
    role: t.string({ nullable: true, resolve: ({ tenantRole }) => tenantRole()?.role ?? null }),
    permissions: t.stringList({
      description: "Your permissions in the request's tenant, such as orders:write.",
      maxItems: MAX_TEXTS,
      resolve: async ({ tenantRole, permissions }) => (tenantRole() ? [...(await permissions())].sort() : []),
    }),
    isPlatformAdmin: t.boolean({ resolve: ({ identity }) => identity.isPlatformAdmin }),
    memberships: t.field({
      type: [MembershipRef],
      description: 'Ordered by tenant id.',
      maxItems: MAX_PAGE,
      args: pageArgs('The tenant id'),
      resolve: ({ identity: { user } }, args, { services }) =>
        user ? membershipsOf(services.catalog, user.id, { size: pageSize(args), after: args.after }) : [],
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
      identity ? { identity, tenantRole: () => roleIn(tenant), permissions: () => tenant.permissions() } : null,
  }),
);

function roleIn(tenant: TenantContext) {
  if (!tenant.isNamed || tenant.role === undefined) return undefined;
  return { tenantId: tenant.row.id, role: tenant.role };
}
