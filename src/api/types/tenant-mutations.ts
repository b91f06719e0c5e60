import { actorOf } from '../../auth/audit-log.ts';
import { undeleted } from '../../fleet/runs/undelete.ts';
import { AppError } from '../../lib/errors.ts';
import { deleteTenant } from '../../tenants/delete.ts';
import { mustBeOwned } from '../../tenants/owned-tenant.ts';
import { activateTenant, suspendTenant } from '../../tenants/suspend.ts';
import { updateTenant } from '../../tenants/update.ts';
import { builder } from '../builder.ts';
import { callerOf } from '../context.ts';
import { untilEnded } from './run-control.ts';
import { TenantRef } from './tenant.ts';

const reference = { required: true, description: 'Its id or slug.' } as const;

const UpdateTenantInputRef = builder.inputType('UpdateTenantInput', {
  fields: (t) => ({
    id: t.id(reference),
    name: t.string({ maxLength: 200, description: 'The display name; unchanged if omitted.' }),
    host: t.string({
      maxLength: 253,
      description: 'The host name of the tenant; unique. Unchanged if omitted; null removes it.',
    }),
  }),
});

builder.mutationFields((t) => ({
  suspendTenant: t.field({
    type: TenantRef,
    description:
      'Stops serving a tenant: its requests get TENANT_SUSPENDED and its subscriptions end. Migrations still include it, so that it can be activated again.',
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
    description: 'Changes the name or host of a tenant. A new host takes effect in every process at once.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: UpdateTenantInputRef, required: true }) },
    resolve: (_root, { input: { id, name, host } }, { services }) =>
      // A tenant always has a name, so null is refused like an empty name.
      updateTenant(services.catalog, id, { name: name === null ? '' : name, host }),
  }),
  undeleteTenant: t.field({
    type: TenantRef,
    description:
      'Brings a tenant back from the bin, with the status that it had before. A migration run for this tenant alone applies what it lacks before it is served; the mutation waits for that. If it fails, the tenant stays in the bin. If this request ends before, workers still finish it.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id(reference) },
    resolve: async (_root, { id }, context) => {
      const { provisioning, runs } = context.services;
      const run = await runs.undelete(provisioning, id);
      if (run !== undefined) await untilEnded(context, run);
      return undeleted(provisioning, id, run);
    },
  }),
  deleteTenant: t.field({
    type: TenantRef,
    description:
      'For owners of the tenant, while it is active, and platform admins. Puts a tenant into the bin: it is no longer served, and undeleteTenant can bring it back for TENANT_RETENTION_DAYS. Its slug and host stay taken. Afterwards, or at once with purge, it is removed for good with its database or schema and its checkpoints, and an entry in the audit log says what was removed. Refused while a migration run or a checkpoint is working on the tenant. The history of runs keeps what they did to it.',
    authScopes: { authenticated: true },
    args: {
      id: t.arg.id(reference),
      slug: t.arg.string({
        required: true,
        maxLength: 63,
        description: "The tenant's slug, as a safeguard against deleting the wrong tenant.",
      }),
      purge: t.arg.boolean({
        defaultValue: false,
        description: 'Removes the tenant for good at once, also one that is in the bin. Only for platform admins.',
      }),
    },
    resolve: async (_root, { id, slug, purge }, context) => {
      const { provisioning, catalog } = context.services;
      const caller = callerOf(context);
      if (!caller.isPlatformAdmin) {
        await mustBeOwned(catalog, caller.user?.id, id);
        if (purge)
          throw new AppError('FORBIDDEN', 'Only platform admins may remove a tenant for good. Leave purge out.');
      }
      const by = { by: actorOf(caller), userId: caller.user?.id };
      return deleteTenant(provisioning, id, { confirmation: slug, purge: purge ?? false, ...by });
    },
  }),
}));
