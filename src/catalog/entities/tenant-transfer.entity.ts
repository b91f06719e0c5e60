import { defineEntity, p } from '@mikro-orm/core';
import { isolations } from './tenant.entity.ts';

/** What a transfer does. RESTORE brings a tenant back to a checkpoint at a new place. */
export const transferKinds = ['MOVE', 'CLONE', 'IMPORT', 'RESTORE'] as const;
export type TransferKind = (typeof transferKinds)[number];

/** The statuses of a transfer. */
export const transferStatuses = [
  'PENDING',
  'COPYING',
  'CATCHING_UP',
  'SWITCHING',
  'SUCCEEDED',
  'FAILED',
  'CANCELLED',
] as const;
export type TransferStatus = (typeof transferStatuses)[number];

/** The table `tenant_transfers`. */
export const TenantTransferSchema = defineEntity({
  name: 'TenantTransfer',
  tableName: 'tenant_transfers',
  properties: {
    id: p.uuid().primary(),
    kind: p.enum(transferKinds),
    status: p.enum(transferStatuses).default('PENDING'),
    /** The tenant that moves, or the new one. It may have been deleted since. */
    tenantId: p.uuid(),
    slug: p.text(),
    /** The name and the host of a new tenant. */
    name: p.text().nullable(),
    host: p.text().nullable(),
    /** The tenant that a clone is of. It may have been deleted since. */
    sourceId: p.uuid().nullable(),
    sourceSlug: p.text().nullable(),
    /** The checkpoint whose copy is the source. */
    checkpointId: p.uuid().nullable(),
    /** The source's place; for a restored checkpoint, the place that it replaces. Null for an import. */
    fromKey: p.text().nullable(),
    fromIsolation: p.enum(isolations).nullable(),
    fromServer: p.text().nullable(),
    fromDatabase: p.text().nullable(),
    fromSchema: p.text().nullable(),
    toKey: p.text(),
    toIsolation: p.enum(isolations),
    toServer: p.text(),
    toDatabase: p.text(),
    toSchema: p.text(),
    /** The nodes of a Citus cluster, as host:port, between which the tables move while the place stays the same; otherwise null. */
    fromNode: p.text().nullable(),
    toNode: p.text().nullable(),
    online: p.boolean().default(false),
    /** How long the old place is kept after a move, in hours. */
    keepHours: p.integer().default(0),
    neutralize: p.boolean().default(false),
    /** While it keeps the tenant in maintenance: the tenant's previous status. */
    statusBefore: p.enum(['ACTIVE', 'SUSPENDED'] as const).nullable(),
    /** Whether there may be something at the new place. */
    hasTarget: p.boolean().default(false),
    /** How it will end, once the tenant is served again at the place where it was. */
    outcome: p.enum(['FAILED', 'CANCELLED'] as const).nullable(),
    rowsCopied: p.bigint('number').default(0),
    /** An estimate until all tables are copied; null before. */
    rowsTotal: p.bigint('number').nullable(),
    bytesCopied: p.bigint('number').default(0),
    /** How long the tenant was not served, in milliseconds. */
    pausedMs: p.double().$type<number>().nullable(),
    error: p.text().nullable(),
    cancelRequested: p.boolean().default(false),
    requestedBy: p.text().nullable(),
    /** The number of the process that works on it. */
    claimedBy: p.integer().nullable(),
    /** Identifies the claim. A process that has lost its claim may not change the transfer. */
    claim: p.uuid().nullable(),
    /** How often it was claimed, by any process. */
    attempts: p.integer().default(0),
    /** It may not be claimed before this time. */
    notBefore: p.datetime(3).nullable(),
    /** The sequence number of its last event. */
    lastSeq: p.integer().default(0),
    createdAt: p.datetime(3).defaultRaw('now()'),
    endedAt: p.datetime(3).nullable(),
  },
});

/** Moving, cloning, importing or restoring one tenant. */
export class TenantTransfer extends TenantTransferSchema.class {}

TenantTransferSchema.setClass(TenantTransfer);
