import { TenantRef } from '../catalog/schema.ts';
import { builder } from '../graphql/builder.ts';
import { activateTenant, suspendTenant } from './suspend-tenant.ts';

const reference = { required: true, description: 'Its id or slug.' } as const;

builder.mutationFields((t) => ({
  suspendTenant: t.field({
    type: TenantRef,
    description:
      'Serves a tenant no more: its requests get TENANT_SUSPENDED and its subscriptions end. Migrations still go over it, so that it can come back.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id(reference) },
    resolve: (_root, { id }, { services }) => suspendTenant(services.catalog, id),
  }),
  activateTenant: t.field({
    type: TenantRef,
    description: 'Serves a suspended tenant again.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id(reference) },
    resolve: (_root, { id }, { services }) => activateTenant(services.catalog, id),
  }),
}));
