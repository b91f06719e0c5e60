import { actorOf } from '../../auth/audit-log.ts';
import { Checkpoint, checkpointKinds } from '../../catalog/entities/checkpoint.entity.ts';
import { tenantByReference } from '../../catalog/find-tenants.ts';
import { createCheckpoint, deleteCheckpoint, listCheckpoints } from '../../checkpoints/checkpoints.ts';
import { AppError } from '../../lib/errors.ts';
import { MAX_PAGE } from '../../orm/pagination.ts';
import { restoreCheckpoint } from '../../transfers/restore.ts';
import { builder } from '../builder.ts';
import { callerOf } from '../context.ts';
import { pageArgs, pageOfItems } from '../list-page.ts';
import { TenantRef } from './tenant.ts';

/** The GraphQL enum of the kinds of restore points of a batch. */
export const CheckpointKindRef = builder.enumType('CheckpointKind', {
  description: "TRANSACTION: the batch's own transaction. SNAPSHOT: a copy of the tenant's database.",
  values: checkpointKinds,
});

const CheckpointRef = builder.objectType(Checkpoint, {
  name: 'Checkpoint',
  description: 'A copy of a tenant that can be restored.',
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    kind: t.field({ type: CheckpointKindRef, resolve: () => 'SNAPSHOT' as const }),
    tenant: t.field({
      type: TenantRef,
      resolve: async ({ tenant }) => (await tenant?.loadOrFail()) ?? gone(),
    }),
    version: t.string({
      nullable: true,
      description: 'The last migration applied in it.',
      resolve: ({ migrationState }) => migrationState?.getEntity().version ?? null,
    }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    sizeBytes: t.float({ nullable: true, resolve: ({ sizeBytes }) => sizeBytes ?? null }),
  }),
});

builder.queryField('checkpoints', (t) =>
  t.field({
    type: [CheckpointRef],
    description: 'Newest first. CHECKPOINT_KEEP and CHECKPOINT_MAX_AGE_DAYS limit how many are kept.',
    nullable: true,
    authScopes: { platformAdmin: true },
    maxItems: MAX_PAGE,
    args: { tenant: t.arg.id({ required: true, description: 'Its id or slug.' }), ...pageArgs('The id') },
    resolve: async (_root, { tenant, ...page }, { services }) => {
      const kept = await listCheckpoints(services.checkpoints, await tenantByReference(services.catalog, tenant));
      return pageOfItems(kept, page, ({ id }) => [id]);
    },
  }),
);

builder.mutationFields((t) => ({
  createCheckpoint: t.field({
    type: CheckpointRef,
    description:
      'Copies a tenant, so that its present state can be restored. The requests of a tenant with a database get TENANT_BUSY in the meantime; those of a tenant with a schema are served.',
    authScopes: { platformAdmin: true },
    args: {
      tenant: t.arg.id({ required: true, description: 'Its id or slug.' }),
      name: t.arg.string({ maxLength: 100 }),
    },
    resolve: async (_root, { tenant, name }, { services }) =>
      createCheckpoint(services.checkpoints, await tenantByReference(services.catalog, tenant), name ?? undefined),
  }),
  restoreCheckpoint: t.field({
    type: TenantRef,
    description:
      'Restores the tenant to a checkpoint, which is kept. Requests get TENANT_BUSY in the meantime. Without acceptDataLoss it is refused, and the error says what would be lost.',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }), acceptDataLoss: t.arg.boolean({ defaultValue: false }) },
    resolve: (_root, { id, acceptDataLoss }, context) =>
      restoreCheckpoint(context.services.transfers, id, acceptDataLoss ?? false, {
        requestedBy: actorOf(callerOf(context)),
      }),
  }),
  deleteCheckpoint: t.field({
    type: 'Boolean',
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: async (_root, { id }, { services }) => {
      await deleteCheckpoint(services.checkpoints, id);
      return true;
    },
  }),
}));

function gone(): never {
  throw new AppError('TENANT_NOT_FOUND', 'The tenant of this checkpoint has been deleted');
}
