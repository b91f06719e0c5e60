import { actorOf } from '../../../auth/audit-log.ts';
import { TenantTransfer } from '../../../catalog/entities/tenant-transfer.entity.ts';
import { startClone } from '../../../transfers/clones/start.ts';
import { cancelTransfer, resumeTransfer } from '../../../transfers/control.ts';
import { KEEP_HOURS } from '../../../transfers/keep-hours.ts';
import { moveTenant } from '../../../transfers/start-move.ts';
import { builder } from '../../builder.ts';
import { type Context, callerOf } from '../../context.ts';
import { IsolationRef } from '../tenant.ts';
import { TransferRef, transferId } from './transfer.ts';

const MoveTenantInputRef = builder.inputType('MoveTenantInput', {
  description: 'Set the server, the isolation or both; or only the node.',
  fields: (t) => ({
    tenant: t.id({ required: true, description: 'Its id or slug.' }),
    server: t.string({ maxLength: 63, description: 'By default the server where it is.' }),
    isolation: t.field({ type: IsolationRef, description: 'By default the isolation that it has.' }),
    node: t.string({
      maxLength: 260,
      description:
        'A node of the Citus cluster of its server, such as worker-2:5432: its tables move there while it is served. With online, its writes go on; without, they wait until it has moved.',
    }),
    online: t.boolean({
      defaultValue: false,
      description:
        'Copy the tenant while it is served, and pause it only for the switch. Otherwise its requests get TENANT_BUSY until it has moved.',
    }),
    keepHours: t.int({
      defaultValue: KEEP_HOURS,
      description:
        'How long the old place is kept, in hours. Nobody can connect to it meanwhile but its owner. Leave it out with node, which keeps nothing.',
    }),
  }),
});

const CloneTenantInputRef = builder.inputType('CloneTenantInput', {
  description: 'Set either the tenant or the checkpoint.',
  fields: (t) => ({
    tenant: t.id({ description: 'The id or slug of the tenant to clone as it is now.' }),
    checkpoint: t.id({ description: 'The id of the checkpoint to clone.' }),
    slug: t.string({ required: true, maxLength: 63, description: 'The slug of the clone.' }),
    name: t.string({ maxLength: 200, description: 'The name of the clone; by default that of the source.' }),
    host: t.string({ maxLength: 253, description: 'The host of the clone; by default none.' }),
    isolation: t.field({ type: IsolationRef, description: 'By default that of the source.' }),
    server: t.string({ maxLength: 63, description: 'By default that of the source, if it accepts tenants.' }),
    neutralize: t.boolean({
      defaultValue: true,
      description:
        'Mask what must not leave production, such as addresses and names, with the code of the modules, and leave out the contents of files.',
    }),
  }),
});

builder.mutationFields((t) => ({
  cloneTenant: t.field({
    type: TransferRef,
    description:
      'Makes a new tenant with the rows of another one or of its checkpoint, while that one is served. The clone has no members. Returns at once; follow it with tenantTransferProgress.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: CloneTenantInputRef, required: true }) },
    resolve: async (_root, { input }, context) => {
      const id = await startClone(
        context.services.transfers,
        {
          tenant: input.tenant ?? undefined,
          checkpoint: input.checkpoint ?? undefined,
          slug: input.slug,
          name: input.name ?? undefined,
          host: input.host ?? undefined,
          isolation: input.isolation ?? undefined,
          server: input.server ?? undefined,
          neutralize: input.neutralize ?? undefined,
        },
        { requestedBy: actorOf(callerOf(context)) },
      );
      return showTransfer(context, id);
    },
  }),
  moveTenant: t.field({
    type: TransferRef,
    description:
      'Moves a tenant to another server, from a database to a schema or back, or to another node of its server. Returns at once; follow it with tenantTransferProgress. Migration runs wait for it.',
    authScopes: { platformAdmin: true },
    args: { input: t.arg({ type: MoveTenantInputRef, required: true }) },
    resolve: async (_root, { input }, context) => {
      const id = await moveTenant(
        context.services.transfers,
        {
          tenant: input.tenant,
          server: input.server ?? undefined,
          isolation: input.isolation ?? undefined,
          node: input.node ?? undefined,
          online: input.online ?? undefined,
          keepHours: input.keepHours ?? undefined,
        },
        { requestedBy: actorOf(callerOf(context)) },
      );
      return showTransfer(context, id);
    },
  }),
  cancelTenantTransfer: t.field({
    type: TransferRef,
    description:
      'Cancels a transfer: a tenant that was to move is unchanged and stays where it is, and a new tenant is removed. CONFLICT when it is SWITCHING or has ended.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      await cancelTransfer(context.services.transfers, transferId('id', id));
      return showTransfer(context, id);
    },
  }),
  resumeTenantTransfer: t.field({
    type: TransferRef,
    description: 'Starts a failed or cancelled transfer over.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, context) => {
      await resumeTransfer(context.services.transfers, transferId('id', id));
      return showTransfer(context, id);
    },
  }),
}));

function showTransfer({ services }: Context, id: string): Promise<TenantTransfer> {
  return services.catalog.fork().findOneOrFail(TenantTransfer, { id });
}
