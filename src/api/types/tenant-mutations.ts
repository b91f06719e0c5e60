import { deleteTenant } from '../../tenants/delete.ts';
import { mustBeOwned } from '../../tenants/owned-tenant.ts';
import { activateTenant, suspendTenant } from '../../tenants/suspend.ts';
import { updateTenant } from '../../tenants/update.ts';
import { builder } from '../builder.ts';
import { callerOf } from '../context.ts';
import { TenantRef } from './tenant.ts';

const reference = { required: true, description: 'Its id or slug.' } as const;

const UpdateTenantInputRef = builder.inputType('UpdateTenantInput', {
  fields: (t) => ({
    id: t.id(reference),
    name: t.string({ maxLength: 200, description: 'What people call it; without this it stays.' }),
    host: t.string({
      maxLength: 253,
      description: 'The host name by which it is found; unique. Without this it stays; null clears it.',
    }),
  }),
});

builder.mutationFields((t) => ({
  suspendTenant: t.field({
    type: TenantRef,
    description:
      'Serves a tenant no more: its requests get TENANT_SUSPENDED and its subscriptions end. Migrations still go over it, so that it can come back.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id(reference) },
    resolve: (_root, { id }, { services }) => suspendTenant(services.provisioning, id),
  }),
  activateTenant: t.field({
    type: TenantRef,
    description: 'Serves a suspended tenant again.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id(reference) },
    resolve: (_root, { id }, { services }) => activateTenant(services.provisioning, id),
  }),
  updateTenant: t.field({
    type: TenantRef,
    description: 'Changes the name or the host of a tenant. Every process finds it by the new host at once.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: UpdateTenantInputRef, required: true }) },
    resolve: (_root, { input: { id, name, host } }, { services }) =>
      // A tenant always has a name, so that null is refused as an empty one is.
      updateTenant(services.catalog, id, { name: name === null ? '' : name, host }),
  }),
  deleteTenant: t.field({
    type: TenantRef,
    description:
      'For owners of the tenant, while it is active, and platform admins. Deletes a tenant with its database or schema and its checkpoints, for good. Its slug is free again when these are gone. Refused while a migration run or a checkpoint works on it. What runs did to it is kept in their history.',
    authScopes: { authenticated: true },
    args: {
      id: t.arg.id(reference),
      slug: t.arg.string({
        required: true,
        maxLength: 63,
        description: 'Its slug, so that no other tenant is deleted by mistake.',
      }),
    },
    resolve: async (_root, { id, slug }, context) => {
      const { provisioning, catalog } = context.services;
      const caller = callerOf(context);
      if (!caller.isPlatformAdmin) await mustBeOwned(catalog, caller.user?.id, id);
      return deleteTenant(provisioning, id, slug);
    },
  }),
}));
