import type { EntityManager } from '@mikro-orm/postgresql';
import { Tenant } from '../../../catalog/entities/tenant.entity.ts';
import { TenantTransfer, transferKinds, transferStatuses } from '../../../catalog/entities/tenant-transfer.entity.ts';
import { tenantByReference } from '../../../catalog/find-tenants.ts';
import { tenantSteps } from '../../../catalog/tenant-status.ts';
import { badInput } from '../../../lib/errors.ts';
import { isUuid } from '../../../lib/uuid.ts';
import { entityConnection } from '../../../orm/pagination.ts';
import { followTransfer, type TransferEvent, transferEventKinds } from '../../../transfers/events.ts';
import { builder } from '../../builder.ts';
import { requestLoader } from '../../request-loader.ts';
import { PlacementRef, TenantRef } from '../tenant.ts';

const TransferKindRef = builder.enumType('TransferKind', {
  description: 'RESTORE restores a tenant to a checkpoint at a new place.',
  values: transferKinds,
});

const TransferStatusRef = builder.enumType('TransferStatus', {
  description:
    'PENDING: a process with a worker will carry it out. CATCHING_UP: an online move copies what was written meanwhile. SWITCHING: it can no longer be cancelled. FAILED and CANCELLED: a tenant that was to move is unchanged and stays where it is, and a new tenant is removed.',
  values: transferStatuses,
});

const loadTenant = requestLoader<Tenant | null>(async (ids, { services }) => {
  const tenants = await services.catalog.fork().find(Tenant, { id: { $in: [...ids] } });
  const byId = new Map(tenants.map((tenant) => [tenant.id, tenant]));
  return ids.map((id) => byId.get(id) ?? null);
});

/** The GraphQL type of a transfer. */
export const TransferRef = builder.objectType(TenantTransfer, {
  name: 'TenantTransfer',
  description: 'Moving, cloning, importing or restoring one tenant.',
  fields: (t) => ({
    id: t.exposeID('id'),
    kind: t.field({ type: TransferKindRef, resolve: ({ kind }) => kind }),
    status: t.field({ type: TransferStatusRef, resolve: ({ status }) => status }),
    tenant: t.field({
      type: TenantRef,
      description:
        'The tenant that moves, or the new one. One that no longer exists is as the transfer knew it, with the status DELETING.',
      resolve: async (transfer, _args, context) =>
        (await loadTenant(context, transfer.tenantId)) ?? asKnown(transfer, context.services.catalog.fork()),
    }),
    source: t.field({
      type: TenantRef,
      nullable: true,
      description: 'The tenant that a clone is of; null if it has been deleted since.',
      resolve: ({ sourceId }, _args, context) => (sourceId == null ? null : loadTenant(context, sourceId)),
    }),
    from: t.field({
      type: PlacementRef,
      nullable: true,
      description: 'Null for an import.',
      resolve: ({ fromServer: server, fromDatabase: database, fromSchema: schema, fromNode: node = null }) =>
        server == null || database == null || schema == null ? null : { server, database, schema, node },
    }),
    to: t.field({
      type: PlacementRef,
      resolve: ({ toServer: server, toDatabase: database, toSchema: schema, toNode: node = null }) => ({
        server,
        database,
        schema,
        node,
      }),
    }),
    online: t.exposeBoolean('online'),
    rowsCopied: t.exposeFloat('rowsCopied', {
      description: 'Counted exactly. 0 if a database was copied as a whole, whose rows nobody counts.',
    }),
    rowsTotal: t.float({
      nullable: true,
      description:
        'An estimate until all tables are copied, which may rise and fall. Null before it is known, and if a database was copied as a whole.',
      resolve: ({ rowsTotal }) => rowsTotal ?? null,
    }),
    bytesCopied: t.exposeFloat('bytesCopied', {
      description: 'The size of the rows on their way, or of a database that was copied as a whole.',
    }),
    pausedMs: t.float({
      nullable: true,
      description: 'How long the tenant was not served, in milliseconds; null until the switch.',
      resolve: ({ pausedMs }) => pausedMs ?? null,
    }),
    error: t.string({ nullable: true, resolve: ({ error }) => error ?? null }),
    createdAt: t.field({ type: 'DateTime', resolve: ({ createdAt }) => createdAt }),
    endedAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ endedAt }) => endedAt ?? null }),
  }),
});

function asKnown(transfer: TenantTransfer, em: EntityManager): Tenant {
  const { tenantId, slug, name, host, createdAt } = transfer;
  const { toKey, toIsolation, toServer, toDatabase, toSchema } = transfer;
  return em.create(
    Tenant,
    {
      id: tenantId,
      slug,
      name: name ?? slug,
      host: host ?? null,
      status: tenantSteps.discard.to[0],
      isolation: toIsolation,
      key: toKey,
      server: toServer,
      database: toDatabase,
      schema: toSchema,
      createdAt,
    },
    { persist: false },
  );
}

const TransferEventRef = builder.objectRef<TransferEvent>('TenantTransferEvent').implement({
  description: 'An event in a transfer.',
  fields: (t) => ({
    seq: t.exposeInt('seq', { description: 'From 1, without gaps.' }),
    at: t.field({ type: 'DateTime', resolve: ({ at }) => at }),
    kind: t.exposeString('kind', {
      description: `What happened: ${Object.keys(transferEventKinds).join(', ')}. There may be more in the future.`,
    }),
    message: t.exposeString('message', { description: 'A human-readable message.' }),
    rowsCopied: t.exposeFloat('rowsCopied'),
    rowsTotal: t.exposeFloat('rowsTotal', { nullable: true }),
  }),
});

builder.queryFields((t) => ({
  tenantTransfer: t.field({
    type: TransferRef,
    nullable: true,
    authScopes: { platformAdmin: true },
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, { services }) =>
      services.catalog.fork().findOne(TenantTransfer, { id: transferId('id', id) }),
  }),
  tenantTransfers: t.connection(
    {
      type: TransferRef,
      description: 'Newest first.',
      nullable: true,
      authScopes: { platformAdmin: true },
      args: { tenant: t.arg.id({ description: 'Its id or slug: transfers that move or make it, or clone it.' }) },
      resolve: async (_root, { tenant, ...page }, { services }) => {
        const id = tenant == null ? undefined : (await tenantByReference(services.catalog, tenant)).id;
        return entityConnection(services.catalog.fork(), TenantTransfer, page, {
          where: id === undefined ? {} : { $or: [{ tenantId: id }, { sourceId: id }] },
          orderBy: { createdAt: 'desc', id: 'desc' },
        });
      },
    },
    { name: 'TenantTransferConnection' },
    { name: 'TenantTransferEdge' },
  ),
}));

builder.subscriptionField('tenantTransferProgress', (t) =>
  t.field({
    type: TransferEventRef,
    description:
      'The past events of a transfer after the sequence number `after`, then new ones as they happen. Ends when the transfer ends.',
    authScopes: { platformAdmin: true },
    args: { transfer: t.arg.id({ required: true }), after: t.arg.int({ defaultValue: 0 }) },
    subscribe: (_root, { transfer, after }, { services, signal }) =>
      followTransfer(services.catalog, services.listener, transferId('transfer', transfer), after ?? 0, signal()),
    resolve: (event) => event,
  }),
);

/**
 * Checks the id of a transfer that a client sent.
 * @throws {AppError} BAD_USER_INPUT if it is not a UUID
 */
export function transferId(field: string, id: string): string {
  if (isUuid(id)) return id;
  throw badInput(
    field,
    `${JSON.stringify(id)} is not the id of a transfer; moveTenant returns one, and tenantTransfers lists them`,
  );
}
