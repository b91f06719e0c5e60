import { defineEntity, p } from '@mikro-orm/core';
import { MigrationState } from './migration-state.entity.ts';
import { Tenant } from './tenant.entity.ts';

/** What a batch can go back to: its own transaction, or a copy of the tenant's database. */
export const checkpointKinds = ['TRANSACTION', 'SNAPSHOT'] as const;
export type CheckpointKind = (typeof checkpointKinds)[number];

/** The table `checkpoints`: one copy of a tenant's database a row. */
export const CheckpointSchema = defineEntity({
  name: 'Checkpoint',
  tableName: 'checkpoints',
  properties: {
    id: p.uuid().primary(),
    /** Null when the tenant is gone. */
    tenant: () => p.manyToOne(Tenant).nullable().ref(),
    name: p.text(),
    server: p.text(),
    /** The copy. */
    database: p.text(),
    migrationState: () => p.manyToOne(MigrationState).fieldName('migration_state').nullable().ref(),
    sizeBytes: p.bigint('number').nullable(),
    /** Nobody can restore it any more; its database is dropped as soon as that can be done. */
    isDropping: p.boolean().default(false),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A copy of a tenant's database, to which the tenant can go back. */
export class Checkpoint extends CheckpointSchema.class {}

CheckpointSchema.setClass(Checkpoint);
