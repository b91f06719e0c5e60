import { defineEntity, p } from '@mikro-orm/core';
import { MigrationState } from './migration-state.entity.ts';
import { Tenant } from './tenant.entity.ts';

/** How a failed batch is undone: by rolling back its transaction, or with a copy of the tenant's database. */
export const checkpointKinds = ['TRANSACTION', 'SNAPSHOT'] as const;
export type CheckpointKind = (typeof checkpointKinds)[number];

/** The table `checkpoints`: a row for each copy of a tenant, which is a database. */
export const CheckpointSchema = defineEntity({
  name: 'Checkpoint',
  tableName: 'checkpoints',
  properties: {
    id: p.uuid().primary(),
    /** Null if the tenant was deleted. */
    tenant: () => p.manyToOne(Tenant).nullable().ref(),
    name: p.text(),
    server: p.text(),
    /** The name of the copy. */
    database: p.text(),
    migrationState: () => p.manyToOne(MigrationState).fieldName('migration_state').nullable().ref(),
    sizeBytes: p.bigint('number').nullable(),
    /** It can no longer be restored, and its database is about to be dropped. */
    isDropping: p.boolean().default(false),
    /** The number of the process that is building it; null once it can be restored. */
    buildingBy: p.integer().nullable(),
    createdAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A copy of a tenant that can be restored. */
export class Checkpoint extends CheckpointSchema.class {}

CheckpointSchema.setClass(Checkpoint);
