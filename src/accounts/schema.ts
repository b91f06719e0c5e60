import { Membership, memberRoles } from '../catalog/membership.entity.ts';
import { TenantRef } from '../catalog/schema.ts';
import { Tenant } from '../catalog/tenant.entity.ts';
import { User } from '../catalog/user.entity.ts';
import { builder } from '../graphql/builder.ts';
import { isUuid } from '../is-uuid.ts';
import type { Identity } from './tokens.ts';

const UserRef = builder.objectType(User, {
  name: 'User',
  fields: (t) => ({ id: t.exposeID('id'), email: t.exposeString('email'), name: t.exposeString('name') }),
});

const MemberRoleRef = builder.enumType('MemberRole', { values: memberRoles });

const MembershipRef = builder.objectType(Membership, {
  name: 'Membership',
  fields: (t) => ({
    user: t.field({ type: UserRef, resolve: ({ user }) => user.loadOrFail({ dataloader: true }) }),
    tenant: t.field({ type: TenantRef, resolve: ({ tenant }) => tenant.loadOrFail({ dataloader: true }) }),
    role: t.field({ type: MemberRoleRef, resolve: ({ role }) => role }),
  }),
});

builder.objectField(Tenant, 'members', (t) =>
  t.loadableList({
    type: MembershipRef,
    load: async (ids: string[], { services }) => {
      const all = await services.catalog.fork().find(Membership, { tenant: { $in: ids } });
      return ids.map((id) => all.filter(({ tenant }) => tenant.id === id));
    },
    resolve: ({ id }) => id,
  }),
);

const ViewerRef = builder.objectRef<Identity>('Viewer').implement({
  description: 'Who the token says that you are.',
  fields: (t) => ({
    user: t.field({
      type: UserRef,
      nullable: true,
      resolve: ({ subject }, _args, { services }) =>
        isUuid(subject) ? services.catalog.fork().findOne(User, { id: subject }) : null,
    }),
    tenant: t.field({
      type: TenantRef,
      nullable: true,
      description: "The request's tenant, if you are a member of it.",
      resolve: (_viewer, _args, { tenant, services }) =>
        tenant.isNamed && tenant.role !== undefined
          ? services.catalog.fork().findOne(Tenant, { id: tenant.row.id })
          : null,
    }),
    role: t.string({
      nullable: true,
      resolve: (_viewer, _args, { tenant }) => (tenant.isNamed ? (tenant.role ?? null) : null),
    }),
    permissions: t.stringList({ resolve: () => [] }),
    isPlatformAdmin: t.exposeBoolean('isPlatformAdmin'),
    memberships: t.field({
      type: [MembershipRef],
      resolve: ({ subject }, _args, { services }) =>
        isUuid(subject) ? services.catalog.fork().find(Membership, { user: subject }) : [],
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerRef,
    nullable: true,
    description: 'Null without a token.',
    authScopes: { anyone: true },
    resolve: (_root, _args, { identity }) => identity ?? null,
  }),
);
