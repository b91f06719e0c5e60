import { defineEntity, p } from '@mikro-orm/core';
import { migrationScopes, migrationStatuses } from '../../catalog/entities/migration-record.entity.ts';

/** The table `migration_history`. Each migrated database or schema has one. */
export const HistoryRecordSchema = defineEntity({
  name: 'HistoryRecord',
  tableName: 'migration_history',
  schema: '*',
  properties: {
    id: p.bigint('string').primary(),
    scope: p.enum(migrationScopes),
    name: p.text(),
    hash: p.text(),
    status: p.enum(migrationStatuses),
    run: p.uuid().nullable(),
    checkpoint: p.text().nullable(),
    appliedAt: p.datetime(3),
    durationMs: p.double().$type<number>().nullable(),
    error: p.text().nullable(),
  },
});

/** An attempt to apply a migration, as recorded in the database itself. */
export class HistoryRecord extends HistoryRecordSchema.class {}

HistoryRecordSchema.setClass(HistoryRecord);
